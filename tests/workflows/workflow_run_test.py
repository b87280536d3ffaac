"""Workflows as they run: every kind of step, every modifier, with a scripted model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentrt import Runtime, Tool, tool
from agentrt.workflows import InvalidInputs, InvalidWorkflow, NeedsModel, Workflow, WorkflowEnded, WorkflowResult
from executor import Executor, Finished, Plan, Skipped, Task, TaskAdded, TaskStarted
from planner.testing import ScriptedChatModel

HEAD = "agentrt: 1\nname: t\n"


def decision(answer: str, tasks: Sequence[str] = ()) -> str:
    return json.dumps({"thought": "", "action": "finish", "tasks": [*tasks], "answer": answer, "reason": ""})


async def run(text: str, tools: list[Tool], *replies: Any, **inputs: object) -> WorkflowResult:
    async with Runtime(ScriptedChatModel(replies=[*replies]), tools) as rt:
        with anyio.fail_after(20):
            return await rt.run(Workflow.from_text(HEAD + text, tools=tools), **inputs)


@pytest.mark.asyncio
async def test_calls_run_by_data_flow_and_results_are_data(tools: list[Tool]) -> None:
    result = await run(
        "inputs: {a: string}\ntasks:\n  one: {call: search, with: {title: '${inputs.a}'}}\n"
        "  two: {call: search, with: {title: '${one.text}'}}\noutput: {text: '${two.title}', all: '${one}'}\n",
        tools,
        a="Heat",
    )
    assert result.ok
    output: Any = result.to_json()["output"]
    assert output["text"] == "All about Heat. $1 ${left} join()"
    assert output["all"]["title"] == "Heat"
    assert json.loads(json.dumps(result.to_json(), default=str))["results"]["one"]["state"] == "finished"


@pytest.mark.asyncio
async def test_independent_steps_run_side_by_side() -> None:
    both = [anyio.Event(), anyio.Event()]

    @tool(effect="pure")
    async def meet(me: int) -> int:
        """Waits for the other."""
        both[me].set()
        await both[1 - me].wait()
        return me

    result = await run("tasks:\n  a: {call: meet, with: {me: 0}}\n  b: {call: meet, with: {me: 1}}\n", [meet])
    assert result.output == {"a": 0, "b": 1}


@pytest.mark.asyncio
async def test_ask_gives_text_or_what_its_schema_says(tools: list[Tool]) -> None:
    text = (
        "tasks:\n  plain: {ask: 'Say ${n}', system: Be brief., limits: {tokens: 50}}\n  n: {call: count}\n"
        "  held: {ask: '${plain}?', schema: {type: object, properties: {same: {type: boolean}}}}\n"
        "  number: {ask: how many, after: held, schema: {type: integer}}\n"
        "output: ['${plain}', '${held.same}', '${number}']\n"
    )
    model = ScriptedChatModel(replies=[" three \n", 'Well: {"same": true}', '{"value": 4}'])
    async with Runtime(model, tools) as rt:
        result = await rt.run(Workflow.from_text(HEAD + text))
    assert result.output == ["three", True, 4]
    assert [str(message.content) for message in model.prompts[0]] == ["Be brief.", "Say 3"]
    assert model.options[0]["max_tokens"] == 50
    assert result.usage.model_calls == 3
    assert result.usage.output_tokens > 0


@pytest.mark.asyncio
async def test_an_answer_that_does_not_fit_is_asked_for_once_more(tools: list[Tool]) -> None:
    text = "tasks:\n  a: {ask: x, schema: {type: object, properties: {n: {type: integer}}}}\n"
    assert (await run(text, tools, "no idea", '{"n": 3}')).output == {"n": 3}
    result = await run(text, tools, '{"n": "three"}', '{"m": 3}')
    assert not result.ok
    assert "twice" in result.failures["a"]
    assert "n is missing" in result.failures["a"]


@pytest.mark.asyncio
async def test_when_leaves_a_step_out_and_what_needs_it(tools: list[Tool]) -> None:
    result = await run(
        "inputs: {go: boolean}\ntasks:\n"
        "  n: {call: count}\n"
        "  yes: {when: '${inputs.go} and ${n} == 3', call: count}\n"
        "  no: {when: 'not ${inputs.go}', call: count}\n"
        "  needs: {call: search, with: {title: 'x ${no}'}}\n"
        "  after: {call: count, after: no}\n"
        "output: {yes: '${yes}', no: '${no}', needs: '${needs}', after: '${after}'}\n",
        tools,
        go=True,
    )
    assert result.output == {"yes": 3, "no": None, "needs": None, "after": 3}
    assert result.ok
    assert isinstance(result.results["no"], Skipped)


@pytest.mark.asyncio
async def test_foreach_keeps_order_and_its_failure_policies(tools: list[Tool]) -> None:
    @tool(effect="pure")
    async def check(title: str) -> str:
        """Fails for one of them."""
        if title.startswith("Seven"):
            raise ValueError("no good")
        return title.lower()

    def text(policy: str) -> str:
        each = f"foreach: {{items: '${{l}}', concurrency: 1, on_error: {policy}}}"
        return f"tasks:\n  l: {{call: titles}}\n  e: {{call: check, with: {{title: '${{item}}'}}, {each}}}\n"

    both = [*tools, check]
    assert (await run(text("skip"), both)).output == ["heat 1995"]
    kept: Any = (await run(text("continue"), both)).output
    assert kept[0] == "heat 1995"
    assert kept[1]["type"] == "ValueError"
    failed = await run(text("fail"), both)
    assert [*failed.failures] == ["e"]


@pytest.mark.asyncio
async def test_a_failure_is_an_outcome_and_its_policy_decides(tools: list[Tool]) -> None:
    @tool(effect="pure")
    async def broken() -> str:
        """Fails."""
        raise RuntimeError("out of order")

    def text(policy: str) -> str:
        return (
            f"tasks:\n  b: {{call: broken, on_error: {policy}}}\n  n: {{call: search, with: {{title: 'x ${{b}}'}}}}\n"
            "  i: {call: count}\noutput: {n: '${n.title}', i: '${i}'}\n"
        )

    both = [*tools, broken]
    skipped = await run(text("skip"), both)
    assert skipped.output == {"n": None, "i": 3}
    assert "out of order" in skipped.failures["b"]
    handled = await run(text("continue"), both)
    assert handled.ok
    output: Any = handled.output
    assert "out of order" in output["n"]
    ended = await run(text("fail"), both)
    assert ended.output == {"n": None, "i": 3} or ended.output == {"n": None, "i": None}


@pytest.mark.asyncio
async def test_retry_and_timeout_are_the_steps_own() -> None:
    calls = 0

    @tool(effect="idempotent")
    async def flaky() -> str:
        """Works the third time."""
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ValueError("not yet")
        return "now"

    @tool(effect="pure")
    async def endless() -> str:
        """Never ends."""
        await anyio.sleep_forever()
        return ""

    result = await run(
        "tasks:\n  f: {call: flaky, retry: {attempts: 3, wait: 0}}\n  e: {call: endless, timeout: 0.01}\n",
        [flaky, endless],
    )
    output: Any = result.output
    assert output["f"] == "now"
    assert "0.01 s" in result.failures["e"]


@pytest.mark.asyncio
async def test_plan_is_the_planner_with_bounds_of_its_own(tools: list[Tool]) -> None:
    text = "tasks:\n  p: {plan: 'About ${n}?', tools: [search], limits: {tasks: 2, replans: 0}}\n  n: {call: count}\n"
    model = ScriptedChatModel(replies=['1. search("Heat")\n2. join()', decision("a film", ["1"])])
    async with Runtime(model, tools) as rt:
        events = [event async for event in rt.stream_run(Workflow.from_text(HEAD + text))]
    ended = events[-1]
    assert isinstance(ended, WorkflowEnded)
    assert ended.result.output == "a film"
    assert ended.result.usage.model_calls == 2
    added = [event.task.id for event in events if isinstance(event, TaskAdded)]
    assert added == ["p", "n", "p/1"]
    assert "About 3?" in str(model.prompts[0])
    assert "titles" not in str(model.prompts[0])


@pytest.mark.asyncio
async def test_agents_converse_in_a_step(tools: list[Tool]) -> None:
    def says(messages: list[Any]) -> str:
        return "We agree. <A>blue</A>"

    text = (
        "tasks:\n  n: {call: count}\n  c: {converse: What?, contexts: [the sky is blue, '${n}'], limits: {turns: 4}}\n"
    )
    result = await run(text, tools, *[says] * 8)
    output: Any = result.output
    assert output["stop_reason"]
    assert output["tokens"] > 0
    assert result.usage.model_calls >= 2


@pytest.mark.asyncio
async def test_a_workflow_in_a_workflow(tools: list[Tool]) -> None:
    inner = Workflow.from_text(
        "agentrt: 1\nname: inner\ninputs: {title: string}\ntasks:\n"
        "  page: {call: search, with: {title: '${inputs.title}'}}\noutput: {name: '${page.title}'}\n"
    )
    text = "tasks:\n  l: {call: titles}\n  i: {run: inner, foreach: '${l}', with: {title: '${item}'}}\n"
    text += "output: '${i[1].name}'\n"
    outer = Workflow.from_text(HEAD + text, tools=tools, workflows={"inner": inner})
    async with Runtime(None, tools) as rt:
        events = [event async for event in rt.stream_run(outer)]
    ended = events[-1]
    assert isinstance(ended, WorkflowEnded)
    assert ended.result.output == "Seven 1995"
    assert "i[0]/page" in [event.id for event in events if isinstance(event, TaskStarted)]
    with pytest.raises(InvalidWorkflow, match="did you mean name"):
        Workflow.from_text(HEAD + text.replace("[1].name", "[1].nome"), workflows={"inner": inner})


@pytest.mark.asyncio
async def test_a_failure_inside_a_nested_workflow_is_its_steps_failure() -> None:
    @tool(effect="pure")
    async def broken() -> str:
        """Fails."""
        raise RuntimeError("out of order")

    inner = Workflow.from_text("agentrt: 1\nname: inner\ntasks:\n  b: {call: broken}\n")
    outer = Workflow.from_text(HEAD + "tasks:\n  i: {run: inner}\n", workflows={"inner": inner})
    async with Runtime(None, [broken]) as rt:
        result = await rt.run(outer)
    assert "workflow inner: step b: " in result.failures["i"]
    assert "out of order" in result.failures["i"]


@pytest.mark.asyncio
async def test_yaml_python_and_the_planner_give_one_ir_and_one_result(tools: list[Tool]) -> None:
    in_yaml = Workflow.from_text(
        HEAD + "tasks:\n  1: {call: search, with: {title: Heat}}\n  2: {call: search, with: {title: $1.text}}\n",
        tools=tools,
    ).plan()
    in_data = Workflow.from_data(
        {
            "agentrt": 1,
            "name": "t",
            "tasks": {
                "1": {"call": "search", "with": {"title": "Heat"}},
                "2": {"call": "search", "with": {"title": "${1.text}"}},
            },
        }
    ).plan()
    in_python = Plan.from_json(
        [
            {"id": "1", "call": "search", "args": {"title": "Heat"}},
            {"id": "2", "call": "search", "args": {"title": "$1.text"}},
        ]
    )
    model = ScriptedChatModel(replies=['1. search("Heat")\n2. search($1.text)\n3. join()'])
    async with Runtime(model, tools) as rt:
        planned = await rt.plan("?")
    assert isinstance(planned, Plan)
    assert in_yaml == in_data == in_python == planned
    assert len({plan.digest for plan in (in_yaml, in_data, in_python, planned)}) == 1

    wanted = await Executor(tools).run(planned)
    async with Runtime(None, tools) as rt:
        result = await rt.run(
            Workflow.from_text(
                HEAD + "tasks:\n  1: {call: search, with: {title: Heat}}\n  2: {call: search, with: {title: $1.text}}\n"
            )
        )
    values = [one.value for one in wanted.values() if isinstance(one, Finished)]
    assert [one.value for one in result.results.values() if isinstance(one, Finished)] == values
    asked = ScriptedChatModel(replies=['1. search("Heat")\n2. search($1.text)\n3. join()', decision("found", ["2"])])
    async with Runtime(asked, tools) as rt:
        answer = await rt.ask("?")
    assert answer.plan == planned
    assert [one.value for one in answer.results.values() if isinstance(one, Finished)] == values


@pytest.mark.asyncio
async def test_a_workflow_that_needs_a_model_says_so_without_one(tools: list[Tool]) -> None:
    async with Runtime(None, tools) as rt:
        result = await rt.run(Workflow.from_text(HEAD + "tasks:\n  a: {ask: x}\n"))
    assert "name a model" in result.failures["a"]
    assert str(NeedsModel()) in result.failures["a"]


@pytest.mark.asyncio
async def test_what_does_not_fit_is_refused_before_anything_runs(tools: list[Tool], tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(HEAD + "inputs: {a: string}\ntasks:\n  s: {call: search, with: {title: '${inputs.a}'}}\n")
    async with Runtime(None, tools) as rt:
        with pytest.raises(InvalidInputs, match="input 'a' is missing"):
            await rt.run(file)
    async with Runtime(None, []) as rt:
        with pytest.raises(InvalidWorkflow, match="no tool called 'search'"):
            await rt.run(file, a="x")


@pytest.mark.asyncio
async def test_leaving_the_stream_cancels_the_run() -> None:
    cancelled = anyio.Event()

    @tool(effect="pure")
    async def endless() -> str:
        """Never ends by itself."""
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        return ""

    async with Runtime(None, [endless]) as rt:
        events = rt.stream_run(Workflow.from_text(HEAD + "tasks:\n  e: {call: endless}\n"))
        async for event in events:
            if isinstance(event, TaskStarted):
                break
        await events.aclose()
        with anyio.fail_after(5):
            await cancelled.wait()


def test_tasks_lower_with_everything_they_say() -> None:
    workflow = Workflow.from_text(
        HEAD + "tasks:\n  a: {call: count, description: counts, after: b, retry: 2, timeout: 3, cache: false,\n"
        "      approve: Sure?, on_error: continue, when: '${b} == 1',\n"
        "      foreach: {items: [1, 2], concurrency: 1, on_error: skip, max_items: 5}}\n  b: {call: count}\n"
    )
    task = workflow.plan()["a"]
    assert isinstance(task, Task)
    assert task.to_json() == {
        "id": "a",
        "call": "count",
        "args": {},
        "after": ["b"],
        "on_error": "continue",
        "thought": "counts",
        "foreach": {"items": [1, 2], "concurrency": 1, "on_error": "skip", "max_items": 5},
        "when": {"==": ["${b}", 1]},
        "options": {
            "approve": "Sure?",
            "timeout": 3.0,
            "cache": False,
            "retry": {"attempts": 2, "wait": 0.2, "longest_wait": 10.0, "on": ["Exception"]},
        },
    }
    assert Plan.from_json(workflow.plan().to_json()) == workflow.plan()
