"""Everything that can run a `Graph`: ours, the asyncio floor, and other runtimes.

A runner prepares what it may prepare ahead (a plan, a compiled graph) and returns the coroutine function that
is timed. All of them pass each node the values of the nodes it needs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false
# The peers are optional and mostly untyped.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, TypedDict

import anyio

from benchmarks.executor_graphs import Work
from executor import Executor, Ref, Task, TaskEvent, Tool

Run = Callable[[], Awaitable[object]]
Prepare = Callable[[Work], Run]


class CountingObserver:
    """An observer as cheap as one can be; what events cost beyond it is the executor's."""

    def __init__(self) -> None:
        self.events = 0

    def __call__(self, event: TaskEvent) -> None:
        self.events += 1


def plan_of(work: Work) -> list[Task]:
    """The graph as tasks whose arguments are references to the results they need."""
    return [
        Task(str(node), "work", {"node": node, "inputs": [Ref(str(need)) for need in needs]})
        for node, needs in enumerate(work.graph.needs)
    ]


def ours(work: Work) -> Run:
    """The executor with events on."""
    tasks = plan_of(work)
    executor = Executor([Tool(name="work", function=work.call)], observe=CountingObserver())
    return lambda: executor.run(tasks)


def floor(work: Work) -> Run:
    """A task a node and dependency counters on bare asyncio: no limits, failures, events or cancellation."""
    needs = work.graph.needs

    async def run() -> None:
        left = len(needs)
        waiting = [len(needed) for needed in needs]
        dependents: list[list[int]] = [[] for _ in needs]
        for node, needed in enumerate(needs):
            for need in needed:
                dependents[need].append(node)
        results: list[int] = [0] * left
        tasks: list[asyncio.Task[None] | None] = [None] * left
        done = asyncio.get_running_loop().create_future()

        async def one(node: int) -> None:
            nonlocal left
            results[node] = await work.call(node, [results[need] for need in needs[node]])
            for other in dependents[node]:
                waiting[other] -= 1
                if not waiting[other]:
                    tasks[other] = asyncio.create_task(one(other))
            left -= 1
            if not left:
                done.set_result(None)

        for node, count in enumerate([*waiting]):
            if not count:
                tasks[node] = asyncio.create_task(one(node))
        await done

    return run


def anyio_group(work: Work) -> Run:
    """The floor with anyio's task group, which brings structured cancellation."""
    needs = work.graph.needs

    async def run() -> None:
        waiting = [len(needed) for needed in needs]
        dependents: list[list[int]] = [[] for _ in needs]
        for node, needed in enumerate(needs):
            for need in needed:
                dependents[need].append(node)
        results: list[int] = [0] * len(needs)

        async def one(node: int) -> None:
            results[node] = await work.call(node, [results[need] for need in needs[node]])
            for other in dependents[node]:
                waiting[other] -= 1
                if not waiting[other]:
                    group.start_soon(one, other)

        async with anyio.create_task_group() as group:
            for node, count in enumerate([*waiting]):
                if not count:
                    group.start_soon(one, node)

    return run


def _merged(values: dict[int, int], more: Mapping[int, int]) -> dict[int, int]:
    values.update(more)
    return values


class _State(TypedDict):
    values: Annotated[dict[int, int], _merged]


def langgraph(work: Work) -> Run:
    """LangGraph: a `StateGraph` with a node a node."""
    compiled = langgraph_of(work).compile()
    return lambda: compiled.ainvoke({"values": {}}, {"recursion_limit": len(work.graph.needs) + 2})


def langgraph_of(work: Work) -> Any:
    """The graph as a `StateGraph` that has not been compiled."""
    from langgraph.graph import END, START, StateGraph

    graph: Any = StateGraph(_State)

    def node_function(node: int) -> Callable[[_State], Awaitable[Mapping[str, Any]]]:
        async def run_node(state: _State) -> Mapping[str, Any]:
            inputs = [state["values"][need] for need in work.graph.needs[node]]
            return {"values": {node: await work.call(node, inputs)}}

        return run_node

    needed = {need for needs in work.graph.needs for need in needs}
    for node, needs in enumerate(work.graph.needs):
        graph.add_node(str(node), node_function(node))
        graph.add_edge([str(need) for need in needs] if needs else START, str(node))
        if node not in needed:
            graph.add_edge(str(node), END)
    return graph


def llama_index(work: Work) -> Run:
    """llama-index-workflows: one step for all nodes, an event for each node that may start."""
    from benchmarks.executor_llama import GraphWorkflow

    return lambda: GraphWorkflow(work).run()


def dask(work: Work) -> Run:
    """dask's threaded scheduler, with enough threads for every graph here."""
    from dask.threaded import get

    graph: dict[str, Any] = {
        str(node): (work.blocking, node, [str(need) for need in needs]) for node, needs in enumerate(work.graph.needs)
    }

    async def run() -> None:
        get(graph, list(graph), num_workers=256)

    return run


# What each peer needs installed.
PEERS: dict[str, tuple[str, Prepare]] = {
    "LangGraph": ("langgraph", langgraph),
    "llama-index-workflows": ("workflows", llama_index),
    "dask threaded": ("dask", dask),
}


def installed_peers() -> dict[str, Prepare]:
    """The peers that can run here."""
    return {name: prepare for name, (module, prepare) in PEERS.items() if find_spec(module) is not None}
