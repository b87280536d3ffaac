"""Other durable runtimes on SQLite, with the same graph and the same work as the journal's benchmark."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportUntypedFunctionDecorator=false
# The peers are optional and mostly untyped.

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.executor_graphs import Work
from benchmarks.executor_runners import langgraph_of


async def langgraph_sqlite(work: Work, folder: Path) -> float:
    """Seconds of LangGraph with its SQLite checkpointer."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        compiled = langgraph_of(work).compile(checkpointer=saver)
        config: Any = {"recursion_limit": len(work.graph.needs) + 2, "configurable": {"thread_id": "1"}}
        began = time.perf_counter()
        await compiled.ainvoke({"values": {}}, config)
        return time.perf_counter() - began


class Dbos:
    """DBOS on SQLite: a workflow whose steps are the nodes. One object a process, as its registry is."""

    def __init__(self, folder: Path) -> None:
        from dbos import DBOS

        self._dbos = DBOS
        self._work: Work | None = None
        url = f"sqlite:///{folder / 'dbos.db'}"
        DBOS(config={"name": "benchmark", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
        logging.getLogger("dbos").setLevel(logging.ERROR)

        @DBOS.step()
        async def node(number: int, inputs: list[int]) -> int:
            assert self._work is not None
            return await self._work.call(number, inputs)

        @DBOS.workflow()
        async def layers(needs: list[list[int]]) -> int:
            # Steps of a workflow must start in the same order in every life: layer after layer, as its manual asks.
            results: dict[int, int] = {}
            left = dict(enumerate(needs))
            while left:
                ready = [number for number, needed in left.items() if all(need in results for need in needed)]
                values = await asyncio.gather(*(node(n, [results[need] for need in left[n]]) for n in ready))
                results |= dict(zip(ready, values, strict=True))
                for number in ready:
                    del left[number]
            return len(results)

        self._layers: Any = layers
        DBOS.launch()

    async def run(self, work: Work) -> float:
        """Seconds of one run."""
        self._work = work
        needs: list[Sequence[int]] = [list(needed) for needed in work.graph.needs]
        began = time.perf_counter()
        await self._layers(needs)
        return time.perf_counter() - began

    def close(self) -> None:
        """Ends its threads."""
        self._dbos.destroy()


def installed() -> tuple[bool, bool]:
    """Whether LangGraph's SQLite checkpointer and DBOS can run here."""
    return find_spec("langgraph") is not None and find_spec("aiosqlite") is not None, find_spec("dbos") is not None
