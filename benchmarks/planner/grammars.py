"""Size and time of grammars, and how long a server takes to compile them."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.planner.nestful import SETS, tools_of
from benchmarks.report import Report
from executor import Toolset
from planner.grammar import plan_grammar
from planner.grammar.lines import forget


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


def _timed(tools: Toolset) -> float:
    forget()
    began = time.process_time()
    plan_grammar(tools)
    return time.process_time() - began


def _compiled(text: str) -> float | None:
    """Seconds to compile for the 1.5B's vocabulary on one thread; None where something for it is missing."""
    from agentrt.serving.home import model_home

    folder = model_home("qwen2.5-coder-1.5b") / "int8"
    if not folder.is_dir():
        return None
    try:
        import xgrammar
        from transformers import AutoTokenizer
    except ImportError:
        return None
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    about = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=151_936)
    compiler = xgrammar.GrammarCompiler(about, max_threads=1, cache_enabled=False)
    began = time.process_time()
    compiler.compile_grammar(text)
    return round(time.process_time() - began, 2)
