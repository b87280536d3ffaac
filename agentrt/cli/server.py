"""`agentrt model serve`, `ps`, `stop`, `logs` and `stats`: the servers that run on this machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentrt.cli.completing import complete_model
from agentrt.cli.options import print_json

if TYPE_CHECKING:
    from agentrt.serving.running import Running
    from agentrt.serving.settings import ServerSettings

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
_Which = Annotated[
    str | None,
    typer.Argument(help="Its id or its model, as `agentrt model ps` shows them.", show_default="the only one"),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `agentrt model`."""
    # What follows `--` goes to vLLM as it is.
    app.command(epilog="Example: agentrt model serve qwen2.5-coder-1.5b --speculation ngram:4 -- --seed 1")(serve)
    app.command("ps", epilog="Example: agentrt model ps")(list_running)
    app.command(epilog="Example: agentrt model stop qwen2.5-coder-1.5b")(stop)
    app.command(epilog="Example: agentrt model logs qwen2.5-coder-1.5b --lines 50")(logs)
    app.command(epilog="Example: agentrt model stats --json")(stats)


def serve(
    name: Annotated[
        str,
        typer.Argument(help="A name from `agentrt model list`, or a checkpoint folder.", autocompletion=complete_model),
    ],
    vllm_flags: Annotated[list[str] | None, typer.Argument(help="Any flag of vLLM, after `--`.")] = None,
    speculation: Annotated[
        str | None, typer.Option(help="How tokens are drafted: off, auto, lookup, ngram:4, draft_model:NAME, …")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="bfloat16, float32, …; by default what suits the processor.")
    ] = None,
    max_model_len: Annotated[int | None, typer.Option(min=1, help="Tokens of prompt and answer together.")] = None,
    max_num_seqs: Annotated[int | None, typer.Option(min=1, help="Requests answered at once.")] = None,
    kv_cache_gib: Annotated[int | None, typer.Option(min=1, help="GiB for keys and values (CPU).")] = None,
    gpu_memory_utilization: Annotated[
        float | None, typer.Option(min=0.05, max=1, help="Share of a GPU's memory to take.")
    ] = None,
    tensor_parallel: Annotated[int | None, typer.Option(min=1, help="GPUs that share the model.")] = None,
    detach: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0.1, max=60, help="Go at once, leave it up for this long.")
    ] = None,
    json: _Json = False,
) -> None:
    """Serve a model until Ctrl-C, or for some minutes in the background.

    Whoever wants the same model with the same settings on this machine uses the same server: with the
    defaults, `agentrt ask` finds it warm. Defaults can be written down in agentrt.toml or AGENTRT_SERVING_….
    """
    import anyio

    given: dict[str, Any] = {
        "speculation": speculation,
        "dtype": dtype,
        "max_model_len": max_model_len,
        "max_num_seqs": max_num_seqs,
        "kv_cache_gib": kv_cache_gib,
        "gpu_memory_utilization": gpu_memory_utilization,
        "tensor_parallel": tensor_parallel,
        "extra": tuple(vllm_flags) if vllm_flags else None,
    }
    try:
        anyio.run(partial(_serve, name, given, detach, as_json=json))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


async def _serve(name: str, given: dict[str, Any], detach: float | None, *, as_json: bool) -> None:
    import anyio

    from agentrt.cli.model import bar
    from agentrt.serving import ChatVLLM, Patience, open_model

    settings = _settings(name, given)
    patience = Patience(linger=60 * detach) if detach else Patience(linger=0)
    with bar() as progress:
        opening = open_model(name, settings=settings, progress=progress, patience=patience)
        model = await opening.__aenter__()
    try:
        assert isinstance(model, ChatVLLM)
        key = model.api_key.get_secret_value() if model.api_key else ""
        if as_json:
            print_json({"model": model.model, "base_url": model.base_url, "api_key": key})
        else:
            typer.echo(f"{model.model} answers at {model.base_url}")
            typer.echo(f"  export AGENTRT_MODEL={model.base_url} OPENAI_API_KEY={key}")
        if detach is None:
            typer.echo("Ctrl-C stops it.", err=True)
            await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await opening.__aexit__(None, None, None)


def _settings(name: str, given: dict[str, Any]) -> ServerSettings:
    from agentrt.serving.catalogue import CATALOGUE, lookup
    from agentrt.serving.configured import read_config
    from agentrt.serving.defaults import serving_defaults
    from agentrt.serving.probe import default_device
    from agentrt.serving.settings import ServerSettings

    device = default_device()
    known = name.strip().lower() in CATALOGUE
    chosen = serving_defaults(lookup(name), device).settings if known else ServerSettings(device=device)
    return read_config(**given).over(chosen)


def list_running(json: _Json = False) -> None:
    """Show the model servers that run on this machine."""
    from agentrt.serving.running import running_servers

    found = running_servers()
    if json:
        print_json([server.to_json() for server in found])
        return
    if not found:
        typer.echo("No model server runs. Start one: agentrt model serve NAME")
        return
    import time

    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("id", "model", "state", "up", "crashes", "drafts", "port"):
        table.add_column(heading, no_wrap=heading != "state", overflow="fold")
    for server in found:
        minutes = (time.time() - server.started) / 60
        port = server.base_url.rpartition(":")[2].removesuffix("/v1")
        state = (server.stage, f"{minutes:.0f} min", str(server.crashes))
        table.add_row(server.id, server.model, *state, server.speculation, port)
    Console().print(table)


def stop(
    which: _Which = None,
    everything: Annotated[bool, typer.Option("--all", help="Stop every one.")] = False,
    json: _Json = False,
) -> None:
    """Stop a server, even while somebody uses it."""
    import anyio

    from agentrt.serving.running import find_server, running_servers, stop_server

    ended: dict[str, bool] = {}
    for server in running_servers() if everything else [find_server(which)]:
        ended[server.id] = anyio.run(stop_server, server)
        if not json:
            typer.echo(f"{server.model}: {'stopped' if ended[server.id] else 'still ending'}")
    if json:
        print_json([{"id": name, "stopped": done} for name, done in ended.items()])
    if not all(ended.values()):
        raise typer.Exit(1)


def logs(
    which: _Which = None, lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many.")] = 30
) -> None:
    """Print the end of a server's log, and what it said before its last crash."""
    from agentrt.serving import server_log
    from agentrt.serving.running import find_server

    server = find_server(which)
    crash = server.folder / "crash.log"
    if server.crashes and crash.exists():
        typer.echo(f"--- before crash {server.crashes}: {server_log.last_words(crash, 5)}", err=True)
    typer.echo(f"--- {server.log}", err=True)
    typer.echo("\n".join(server_log.tail(server.log).splitlines()[-lines:]))


def stats(which: _Which = None, json: _Json = False) -> None:
    """Show a server's numbers: requests, cache, drafts, time to the first token."""
    import anyio

    from agentrt.serving.errors import EndpointUnreachable
    from agentrt.serving.metrics import read_stats
    from agentrt.serving.running import find_server

    server: Running = find_server(which)
    found = anyio.run(read_stats, server.base_url, server.api_key)
    if found is None:
        raise EndpointUnreachable(f"{server.model} does not answer yet ({server.stage}). Its log: {server.log}")
    if json:
        print_json({**server.to_json(), **found.to_json()})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for what, value in (
        ("requests running, waiting", f"{found.running:.0f}, {found.waiting:.0f}"),
        ("answers begun", f"{found.answers:.0f}"),
        ("prompt tokens", f"{found.prompt_tokens:,.0f}"),
        ("  found in the prefix cache", _share(found.cache_hit_rate)),
        ("tokens written", f"{found.generated_tokens:,.0f}"),
        ("drafts", server.speculation),
        ("  drafted tokens kept", _share(found.acceptance)),
        ("  tokens a pass of the model", "-" if found.tokens_per_call is None else f"{found.tokens_per_call:.2f}"),
        ("mean time to the first token", "-" if found.first_token is None else f"{found.first_token:.2f} s"),
        ("key-value cache in use", _share(found.cache_used)),
        ("requests put back for lack of cache", f"{found.preemptions:.0f}"),
    ):
        table.add_row(what, value)
    Console().print(f"{server.model} at {server.base_url}", table)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
