"""The schedule against a naive model that recomputes everything from scratch."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from executor import CycleError, DuplicateTask, Ref, Schedule, State, Task, Text
from executor.plan import find_cycle

ENDED = {State.FINISHED, State.FAILED, State.SKIPPED}
EARLIER = {"p-finished": State.FINISHED, "p-failed": State.FAILED, "p-skipped": State.SKIPPED}


def task(name: str, needs: set[str], mentions: set[str], after: set[str]) -> Task:
    args: dict[str, object] = {f"a{need}": Ref(need) for need in sorted(needs)}
    if mentions:
        args["text"] = Text(tuple(part for name in sorted(mentions) for part in ("about ", Ref(name))))
    return Task(name, "tool", args, after=tuple(sorted(after)))


class ScheduleMachine(RuleBasedStateMachine):
    """Tasks are added in any order, with references in both directions, and end in any way."""

    ids = st.integers(0, 9).map(str)
    some = st.sets(ids, max_size=3)

    @initialize(prior=st.sets(st.sampled_from(sorted(EARLIER))))
    def begin(self, prior: set[str]) -> None:
        self.states: dict[str, State] = {name: EARLIER[name] for name in prior}
        self.schedule = Schedule(self.states)
        self.tasks: dict[str, Task] = {}
        self.told_ready: list[str] = []
        self.told_skipped: list[str] = []
        self.closed = False

    # The naive model: what a task waits for, and what follows from the states of all others.

    def waits_for(self, one: Task) -> list[str]:
        """Ids that hold `one` back. Once no more tasks come, an undefined id in text is only text."""
        weak = [name for name in one.mentions if not self.closed or name in self.states]
        return [*one.needs, *weak]

    def settle(self) -> tuple[set[str], set[str]]:
        """Applies everything that follows; returns which waiting tasks became ready and which were skipped."""
        ready: set[str] = set()
        skipped: set[str] = set()
        changed = True
        while changed:
            changed = False
            for name, one in self.tasks.items():
                if self.states[name] is not State.WAITING:
                    continue
                needed = [self.states.get(other) for other in self.waits_for(one)]
                if State.FAILED in needed or State.SKIPPED in needed:
                    self.states[name] = State.SKIPPED
                    skipped.add(name)
                    changed = True
                elif all(state is State.FINISHED for state in needed):
                    self.states[name] = State.READY
                    ready.add(name)
                    changed = True
        return ready, skipped

    def expect(self, ready: list[str], skipped: list[str]) -> None:
        assert len(set(ready)) == len(ready) and len(set(skipped)) == len(skipped)
        assert (set(ready), set(skipped)) == self.settle()
        assert not set(ready) & set(self.told_ready)
        self.told_ready += ready
        self.told_skipped += skipped

    @precondition(lambda self: not self.closed)
    @rule(name=ids, needs=some, mentions=some, after=some, prior=st.sets(st.sampled_from(sorted(EARLIER)), max_size=1))
    def add(self, name: str, needs: set[str], mentions: set[str], after: set[str], prior: set[str]) -> None:
        one = task(name, needs | (prior & set(self.states)), mentions, after)
        if name in self.states:
            with pytest.raises(DuplicateTask):
                self.schedule.add(one)
            return
        graph = {
            other: self.waits_for(that) for other, that in self.tasks.items() if self.states[other] is State.WAITING
        }
        graph[name] = self.waits_for(one)
        dead = any(self.states.get(other) in (State.FAILED, State.SKIPPED) for other in graph[name])
        if name in one.needs or find_cycle([name], lambda other: graph.get(other, [])):
            # A task that can never run may be refused for its circle or skipped for what it needs.
            try:
                state = self.schedule.add(one)
            except CycleError as error:
                assert error.path[0] == error.path[-1]
                return
            assert dead and state is State.SKIPPED
        else:
            state = self.schedule.add(one)
        self.tasks[name] = one
        self.states[name] = State.WAITING
        dependents = self.schedule.skip(name) if state is State.SKIPPED else []
        self.expect([name] if state is State.READY else [], [name, *dependents] if state is State.SKIPPED else [])

    @precondition(lambda self: any(state is State.READY for state in self.states.values()))
    @rule(data=st.data(), how=st.sampled_from([State.FINISHED, State.FAILED, State.SKIPPED]))
    def end(self, data: st.DataObject, how: State) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, state in self.states.items() if state is State.READY)))
        self.states[name] = how
        if how is State.FINISHED:
            self.expect(self.schedule.finish(name), [])
        elif how is State.FAILED:
            self.expect([], self.schedule.fail(name))
        else:
            self.expect([], self.schedule.skip(name))

    @precondition(lambda self: not self.closed)
    @rule()
    def close(self) -> None:
        ready, unresolved = self.schedule.close()
        self.closed = True
        missing = {
            name: tuple(need for need in one.needs if need not in self.states)
            for name, one in self.tasks.items()
            if self.states[name] is State.WAITING
        }
        assert {name: error.missing for name, error in unresolved.items()} == {k: v for k, v in missing.items() if v}
        # What waits for an unresolved task is not ready, whatever else it waits for.
        self.expect(ready, [])
        # Each unresolved task has its own reason, so none of them is skipped because of another.
        self.states.update(dict.fromkeys(unresolved, State.FAILED))
        self.expect([], [other for name in unresolved for other in self.schedule.fail(name)])

    @rule()
    def run_out(self) -> None:
        """Finishes everything that can run: then nothing may be left waiting in a closed plan."""
        if not self.closed:
            return
        while ready := sorted(name for name, state in self.states.items() if state is State.READY):
            for name in ready:
                self.states[name] = State.FINISHED
                self.expect(self.schedule.finish(name), [])
        assert all(state in ENDED for state in self.states.values())

    @invariant()
    def states_agree(self) -> None:
        if hasattr(self, "states"):
            assert {name: self.schedule.state(name) for name in self.states} == self.states


TestSchedule = ScheduleMachine.TestCase
TestSchedule.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_ready_ids_come_in_the_order_they_were_added() -> None:
    schedule = Schedule()
    schedule.add(Task("root", "tool"))
    names = [str(n) for n in (5, 3, 9, 1)]
    for name in names:
        assert schedule.add(task(name, {"root"}, set(), set())) is State.WAITING
    assert schedule.finish("root") == names


def test_an_id_nobody_added_has_no_state() -> None:
    with pytest.raises(KeyError):
        Schedule().state("1")
    assert not Schedule().has_no_value("1")


def test_a_circle_through_a_forward_reference_is_named_and_not_added() -> None:
    schedule = Schedule()
    schedule.add(task("1", {"3"}, set(), set()))
    schedule.add(task("2", {"1"}, set(), set()))
    with pytest.raises(CycleError, match="3 -> 2 -> 1 -> 3"):
        schedule.add(task("3", {"2"}, set(), set()))
    assert schedule.add(Task("3", "tool")) is State.READY


def test_a_long_plan_written_backwards_is_no_slower_than_its_length() -> None:
    """Each task is needed before it is defined; searching everything for circles would take minutes."""
    schedule = Schedule()
    for number in range(30_000, 0, -1):
        schedule.add(task(str(number), {str(number - 1)}, set(), set()))
    assert schedule.add(Task("0", "tool")) is State.READY
    for number in range(30_000):
        assert schedule.finish(str(number)) == [str(number + 1)]
