"""The reference of all commands, made from the commands themselves.

python -m agentrt.cli.reference > docs/cli.md
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

_HEAD = """\
# Command line

Made from the commands themselves by `python -m agentrt.cli.reference > docs/cli.md`; a test compares the two.

What a command prints as its result goes to stdout, everything else to stderr. `--json` prints the result as one JSON
document. `NO_COLOR` is kept to. `agentrt --install-completion` sets up completion for your shell.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it failed; stderr says what, where, and what to do |
| 2 | the command was used wrongly |
| 3 | a run waits for a person's answer (`agentrt runs approve`) |
| 130 | Ctrl-C stopped it; with a journal stderr says how to go on |

`agentrt --debug COMMAND …` shows the traceback of what failed.
"""


def reference() -> str:
    """All commands as Markdown."""
    import typer

    from agentrt.cli.main import app

    command: Any = typer.main.get_command(app)
    return "\n".join([_HEAD, *_commands(command, "agentrt")])


def _commands(command: Any, path: str) -> Iterator[str]:
    inner: dict[str, Any] = getattr(command, "commands", {})
    if path != "agentrt":
        yield f"{'##' if path.count(' ') == 1 else '###'} {path}\n"
        yield inspect.cleandoc(command.help or "") + "\n"
        if command.epilog:
            yield inspect.cleandoc(command.epilog) + "\n"
    if not inner:
        yield from _parameters(command, path)
    for name, one in inner.items():
        yield from _commands(one, f"{path} {name}")


def _parameters(command: Any, path: str) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = [path, *(_placeholder(one) for one in arguments), *(["[OPTIONS]"] if options else [])]
    yield f"```text\n{' '.join(usage)}\n```\n"
    if not arguments and not options:
        return
    rows = [(f"`{_placeholder(one)}`", one.help or "") for one in arguments]
    rows += [(_option(one), _about(one)) for one in options]
    yield "| | |\n|---|---|"
    for name, about in rows:
        yield f"| {name} | {' '.join(about.split()).replace('|', chr(92) + '|')} |"
    yield ""


def _placeholder(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper().strip("{}[]")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    if option.is_flag:
        return ", ".join(f"`{name}`" for name in names)
    value = option.metavar or _kind(option.type_descriptor.annotation)
    return ", ".join(f"`{name}`" for name in names) + f" `{value}`".replace("|", "\\|")


def _kind(annotation: Any) -> str:
    """What a value of the option is, in a word."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return "|".join(map(str, inner))
    if inner:
        return next(_kind(one) for one in inner if one is not type(None))
    return {int: "NUMBER", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _about(option: Any) -> str:
    notes: list[str] = []
    shown = option.show_default
    if isinstance(shown, str):
        notes.append(f"default: {shown}")
    elif option.default not in (None, False, "") and not option.is_flag and not callable(option.default):
        notes.append(f"default: {option.default}")
    if option.envvar:
        notes.append(f"or `{option.envvar}`")
    return (option.help or "") + (f" ({'; '.join(notes)})" if notes else "")


if __name__ == "__main__":
    sys.stdout.write(reference())
