"""One call at a time: ReAct, and depth-first search with taking back; on scripted models."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from executor import Executor, Failed, Parameter, Signature, Tool, Toolset
from planner import Joined, PlannerError, PlanningFailed, PlanRejected
from planner.grammar import plan_grammar
from planner.policies import Conclusion, DfsdtPolicy, ReactPolicy, StepWriter
from planner.testing import ScriptedChatModel
from tests.planner.grammar_derivations import parse_grammar
from tests.planner.planner_tools import a_tool


class Setup:
    def __init__(self, *replies: Any, policy: Any = ReactPolicy, form: Any = "free", **options: Any) -> None:
        self.model = ScriptedChatModel(replies=list(replies), chunk=4)
        self.events: list[Any] = []
        self.calls: list[str] = []

        async def search(title: str) -> dict[str, str]:
            self.calls.append(title)
            if title.startswith("bad"):
                raise OSError("no route")
            return {"text": f"about {title}"}

        signature = Signature([Parameter("title", {"type": "string"})])
        self.tools = Toolset([Tool(name="search", function=search, signature=signature, effect="pure")])
        backwards = policy is DfsdtPolicy
        writer = StepWriter(self.model, self.tools, form=form, backwards=backwards, observe=self.events.append)
        self.policy = policy(writer, Executor(self.tools), observe=self.events.append, **options)

    async def answer(self) -> Conclusion:
        with anyio.fail_after(10):
            return await self.policy.answer("Is it?")

    def turns(self, request: int) -> list[str]:
        return [str(message.text) for message in self.model.prompts[request]]


class TestReact:
    @pytest.mark.asyncio
    async def test_it_calls_looks_and_answers(self) -> None:
        setup = Setup(
            'Thought: look\n1. search("Heat")\nResult 1: made up',
            "Thought: more\n2. search($1.text)",
            'Thought: done\n3. finish("yes, $2.text")',
        )
        conclusion = await setup.answer()
        assert conclusion.text == "yes, about about Heat"
        assert (conclusion.ending, conclusion.evidence) == ("answered", ("1", "2"))
        assert setup.calls == ["Heat", "about Heat"]
        assert setup.turns(1)[-2:] == ['Thought: look\n1. search("Heat")', 'Result 1: {"text": "about Heat"}']
        assert conclusion.usage.model_calls == 3
        assert [event.answer for event in setup.events if isinstance(event, Joined)] == [conclusion.text]

    @pytest.mark.asyncio
    async def test_a_failure_is_a_result_and_a_wrong_number_is_put_right(self) -> None:
        setup = Setup('7. search("bad")', '7. search("good")', '1. finish("so")')
        conclusion = await setup.answer()
        assert isinstance(conclusion.outcomes["1"], Failed)
        assert "FAILED" in setup.turns(1)[-1] and "no route" in setup.turns(1)[-1]
        assert list(conclusion.outcomes) == ["1", "2"]

    @pytest.mark.asyncio
    async def test_a_repeated_call_is_not_made_and_twice_is_no_progress(self) -> None:
        same = '1. search("Heat")'
        setup = Setup(same, same, same, '4. finish("best guess")')
        conclusion = await setup.answer()
        assert setup.calls == ["Heat"]
        assert (conclusion.text, conclusion.ending) == ("best guess", "no progress")
        assert "already" in setup.turns(2)[-1]
        assert "No further calls" in setup.turns(3)[-1]

    @pytest.mark.asyncio
    async def test_the_budget_ends_with_an_answer(self) -> None:
        setup = Setup('1. search("a")', '2. search("b")', '3. finish("best")', max_steps=3)
        assert (await setup.answer()).ending == "budget"

    @pytest.mark.asyncio
    async def test_prose_is_corrected_once_then_it_must_answer(self) -> None:
        setup = Setup('1. search("a")', "Nun ja.", "答えは四十二です。", '2. finish("42")')
        conclusion = await setup.answer()
        assert (conclusion.text, conclusion.ending) == ("42", "planning failed")
        assert [event.again for event in setup.events if isinstance(event, PlanRejected)] == [True, False]
        with pytest.raises(PlanningFailed):
            await Setup("prose", "prose").answer()

    @pytest.mark.asyncio
    async def test_a_step_under_a_grammar_is_one_call(self) -> None:
        setup = Setup('Thought: a\n1. finish("b")', form="grammar")
        await setup.answer()
        grammar = setup.model.options[0]["structured_outputs"]["grammar"]
        assert parse_grammar(grammar)
        assert "join" not in grammar and "finish(" in grammar and 'root ::= "Thought: "' in grammar

    def test_names_with_a_meaning_are_taken(self) -> None:
        with pytest.raises(PlannerError, match="'finish', which has a meaning"):
            StepWriter(ScriptedChatModel(replies=[]), [a_tool("finish")])


class TestDfsdt:
    @pytest.mark.asyncio
    async def test_a_failed_step_is_taken_back_and_makes_a_pair(self) -> None:
        setup = Setup(
            'Thought: try\n1. search("bad one")',
            'Thought: other\n2. search("good")',
            '3. finish("yes")',
            policy=DfsdtPolicy,
        )
        conclusion = await setup.answer()
        assert (conclusion.text, conclusion.ending, conclusion.evidence) == ("yes", "answered", ("2",))
        assert "this was tried and failed" in setup.turns(1)[-1] and "no route" in setup.turns(1)[-1]
        assert len(setup.turns(2)) == 4, "the failed step is no part of the way"
        (pair,) = conclusion.pairs
        assert (pair.chosen, pair.rejected) == (
            'Thought: other\n2. search("good")',
            'Thought: try\n1. search("bad one")',
        )
        row = json.loads(json.dumps(pair.to_json()))
        assert [message["role"] for message in row["prompt"]] == ["system", "user"]
        assert row["rejected"] == [{"role": "assistant", "content": pair.rejected}]

    @pytest.mark.asyncio
    async def test_a_way_that_leads_nowhere_is_left(self) -> None:
        setup = Setup(
            '1. search("a")', '2. go_back("nothing here")', '3. search("b")', '4. finish("b it is")', policy=DfsdtPolicy
        )
        conclusion = await setup.answer()
        assert conclusion.text == "b it is"
        assert [pair.rejected for pair in conclusion.pairs] == ['1. search("a")']
        assert "led nowhere" in setup.turns(2)[-1]

    @pytest.mark.asyncio
    async def test_when_every_way_was_tried_it_answers_from_the_longest(self) -> None:
        setup = Setup(
            '1. search("a")',
            '2. search("bad")',
            '3. search("bad too")',
            '4. search("bad 3")',
            '5. finish("a?")',
            policy=DfsdtPolicy,
        )
        conclusion = await setup.answer()
        assert (conclusion.text, conclusion.ending, conclusion.pairs) == ("a?", "no progress", ())
        assert 'Result 1: {"text": "about a"}' in setup.turns(4)

    @pytest.mark.asyncio
    async def test_the_steps_are_bounded(self) -> None:
        replies = [f'{n}. search("{n}")' for n in range(1, 4)]
        setup = Setup(*replies, '4. finish("x")', policy=DfsdtPolicy, max_steps=3)
        assert (await setup.answer()).ending == "budget"


def test_a_single_call_grammar_knows_earlier_results() -> None:
    grammar = plan_grammar(Toolset([a_tool("search", title={"type": "string"})]), first=3, known=["1"], single=True)
    assert 'root ::= "3. " call' in grammar.text
    assert '"$" "1"' in grammar.text
