"""A `Graph` as a llama-index workflow. A module of its own: steps are read from annotations at import."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUntypedBaseClass=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false
# The package is optional.

from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from benchmarks.executor_graphs import Work


class Ready(Event):
    """Node `node` has everything it needs."""

    node: int


class GraphWorkflow(Workflow):
    """Runs every node in one step; as many at once as there are."""

    def __init__(self, work: Work) -> None:
        super().__init__(timeout=None)
        self._graph_work = work
        self._waiting = [len(needs) for needs in work.graph.needs]
        self._left = len(self._waiting)
        self._results = [0] * self._left
        self._dependents: list[list[int]] = [[] for _ in self._waiting]
        for node, needs in enumerate(work.graph.needs):
            for need in needs:
                self._dependents[need].append(node)

    @step
    async def begin(self, ctx: Context, ev: StartEvent) -> Ready | None:
        """Starts what needs nothing."""
        for node, count in enumerate([*self._waiting]):
            if not count:
                ctx.send_event(Ready(node=node))
        return None

    @step(num_workers=4096)
    async def run_node(self, ctx: Context, ev: Ready) -> Ready | StopEvent | None:
        """Runs one node and starts what it has made ready."""
        work = self._graph_work
        inputs = [self._results[need] for need in work.graph.needs[ev.node]]
        self._results[ev.node] = await work.call(ev.node, inputs)
        for other in self._dependents[ev.node]:
            self._waiting[other] -= 1
            if not self._waiting[other]:
                ctx.send_event(Ready(node=other))
        self._left -= 1
        return None if self._left else StopEvent()
