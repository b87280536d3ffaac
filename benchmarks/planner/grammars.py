"""Size and time of grammars, and how long a server takes to compile them."""

from __future__ import annotations

import json
import time
from functools import cache
from statistics import median
from typing import Any

from benchmarks.planner.nestful import SETS, tools_of
from benchmarks.report import Report
from executor import Toolset
from planner.grammar import plan_grammar
from planner.grammar.lines import forget
from planner.joiner import _schema


def grammars(report: Report) -> None:
    """Adds size and CPU time for 50 of NESTFUL's tools as figures, and a table for other numbers of tools."""
    every = Toolset({name: tool for source in SETS for name, tool in tools_of(source).items()}.values())
    rows: list[list[str | int | float | None]] = []
    for count in (5, 20, 50, len(every)):
        tools = Toolset(list(every.values())[:count])
        grammar = plan_grammar(tools)
        built = median(_timed(tools) for _ in range(9))
        rows.append([count, round(1000 * built, 1), len(grammar.text), grammar.levels, _compiled(grammar.text)])
        if count == 50:
            report.add("grammar of 50 tools: CPU time", 1000 * built, unit="ms", target=50)
            report.add("grammar of 50 tools: size", len(grammar.text) / 1000, unit="kB", target=200)
    began = time.process_time()
    plan_grammar(every)
    report.add("grammar from the cache: CPU time", 1000 * (time.process_time() - began), unit="ms")
    columns = ["tools", "CPU ms", "characters", "levels", "xgrammar compiles, s (Qwen2.5 vocabulary)"]
    report.table("Grammars of NESTFUL's tools, 16 lines", columns, rows)
    _bounds(report)


_CHARACTERS = {"thought": 160, "answer": 2_000, "reason": 400}
"""How texts of the joiner's reply were bounded before decision 0175."""


def _bounds(report: Report) -> None:
    """Adds what the joiner's schema costs a server once and at each token: bounded in characters, and as it is."""
    if (compiler := _compiler()) is None:
        return
    now = _schema(["1", "2"], final=False, reason_first=True)
    texts = {name: {"type": "string", "maxLength": most} for name, most in _CHARACTERS.items()}
    before = {**now, "properties": {**now["properties"], **texts}}
    rows: list[list[str | int | float | None]] = []
    for label, schema in (("in characters", before), ("as it is", now)):
        compiler.clear_cache()
        began = time.process_time()
        prepared = compiler.compile_json_schema(json.dumps(schema), any_whitespace=False, separators=(", ", ": "))
        took = time.process_time() - began
        rows.append([label, round(took, 2), round(_masked(prepared, '{"thought": "both films '), 3)])
    report.table("The joiner's reply, texts bounded", ["texts", "xgrammar prepares, s", "a token, ms"], rows)


def _masked(prepared: Any, said: str) -> float:
    """Milliseconds to find the tokens that may follow."""
    import xgrammar

    matcher, mask = xgrammar.GrammarMatcher(prepared), xgrammar.allocate_token_bitmask(1, _VOCABULARY)
    assert matcher.accept_string(said)
    times: list[float] = []
    for _ in range(50):
        began = time.process_time()
        matcher.fill_next_token_bitmask(mask)
        times.append(time.process_time() - began)
    return 1000 * median(times)


def _timed(tools: Toolset) -> float:
    forget()
    began = time.process_time()
    plan_grammar(tools)
    return time.process_time() - began


def _compiled(text: str) -> float | None:
    """Seconds to compile for the 1.5B's vocabulary on one thread; None where something for it is missing."""
    if (compiler := _compiler()) is None:
        return None
    compiler.clear_cache()
    began = time.process_time()
    compiler.compile_grammar(text)
    return round(time.process_time() - began, 2)


_VOCABULARY = 151_936


@cache
def _compiler() -> Any | None:
    from agentrt.serving.home import model_home

    folder = model_home("qwen2.5-coder-1.5b") / "int8"
    if not folder.is_dir():
        return None
    try:
        import xgrammar
        from transformers import AutoTokenizer
    except ImportError:
        return None
    about = xgrammar.TokenizerInfo.from_huggingface(AutoTokenizer.from_pretrained(str(folder)), vocab_size=_VOCABULARY)
    return xgrammar.GrammarCompiler(about, max_threads=1)
