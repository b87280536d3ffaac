"""Which tools and examples a question gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from executor import JsonSchema, Tool, Toolset
from planner import Example, LLMPlanner, PlannerError
from planner.choose import ToolChooser, called_in, words
from planner.example_store import ExampleStore
from planner.grammar import plan_grammar
from planner.testing import ScriptedChatModel
from tests.planner.planner_tools import TEXT, a_tool


def described(name: str, description: str, gives: Sequence[str] = (), /, **parameters: JsonSchema) -> Tool:
    fields = dict.fromkeys(gives, TEXT)
    returns = {"type": "object", "properties": fields} if gives else None
    return replace(a_tool(name, **parameters), description=description, returns=returns)


TOOLS = Toolset(
    [
        described("HotelSearch", "Finds hotels in a place.", geoId=TEXT, nights={"type": "integer", "default": 1}),
        described("PlaceLookup", "Gives identifiers of places on a map.", ["geoId", "name"], query=TEXT),
        described("StreetLookup", "Gives identifiers of streets.", ["geoId"], street=TEXT),
        described("weather_forecast", "Tells tomorrow's weather at a place.", place=TEXT),
        *[described(f"filler_{n}", f"Does thing number {n}.", name=TEXT) for n in range(40)],
    ]
)


def test_names_fall_into_words() -> None:
    found = words("TripadvisorSearchHotels get_HTTPStatus2 größe")
    assert found == ["tripadvisor", "search", "hotel", "get", "http", "statu", "2", "größe"]


def test_the_best_tools_are_chosen_with_what_they_need() -> None:
    chosen = ToolChooser(TOOLS, k=1).choose("Which hotels can one find in Rome?")
    assert [*chosen] == ["HotelSearch", "PlaceLookup"], "a place gives the geoId that the hotels need"
    assert [*ToolChooser(TOOLS, k=2).choose("weather tomorrow", keep=["filler_3"])][-1] == "filler_3"
    assert "weather_forecast" in ToolChooser(TOOLS, k=2).choose("What will the weather be in Oslo?")


def test_with_few_tools_there_is_no_choice() -> None:
    few = Toolset(list(TOOLS.values())[:20])
    assert ToolChooser(few).choose("anything") is few


def test_past_plans_tell_what_names_do_not() -> None:
    past = [Example("Is it going to rain?", '1. filler_7("x")\n2. join()')]
    assert called_in(past[0].plan) == ["filler_7"]
    assert [*ToolChooser(TOOLS, k=1, past=past).choose("Will it rain?")] == ["filler_7"]


def test_embeddings_take_the_place_of_words() -> None:
    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float("number 9" in text or "neun" in text), 0.1] for text in texts]

    assert [*ToolChooser(TOOLS, k=1, embed=embed).choose("neun")] == ["filler_9"]


@pytest.mark.asyncio
async def test_prompt_and_grammar_carry_the_chosen_tools_only() -> None:
    model = ScriptedChatModel(replies=['1. PlaceLookup("Rome")\n2. HotelSearch($1.geoId)\n3. join()'])
    planner = LLMPlanner(model, TOOLS, form="grammar", choose=ToolChooser(TOOLS, k=2))
    tasks = [task async for task in planner.plan("hotels of a place on the map")]
    assert [task.call for task in tasks] == ["PlaceLookup", "HotelSearch"]
    system = str(model.prompts[0][0].text)
    assert "HotelSearch(" in system and "filler_1(" not in system
    chosen = ToolChooser(TOOLS, k=2).choose("hotels of a place on the map")
    assert model.options[0]["structured_outputs"]["grammar"] == plan_grammar(chosen, lines=24).text


def test_five_hundred_tools_are_chosen_from_quickly() -> None:
    many = Toolset(described(f"tool_{n}", f"Handles subject {n} of many.", subject=TEXT) for n in range(500))
    chosen = ToolChooser(many).choose("What about subject 321?")
    assert "tool_321" in chosen and len(chosen) == 12


class TestExamples:
    RAIN = Example("Will it rain in Oslo?", '1. weather_forecast("Oslo")\n2. join()')
    HOTEL = Example("Hotels in Rome?", '1. PlaceLookup("Rome")\n2. HotelSearch($1.geoId)\n3. join()')

    def test_the_nearest_come_last_and_only_of_this_model(self) -> None:
        store = ExampleStore()
        store.add(self.HOTEL, "small")
        store.add(self.RAIN, "small")
        store.add(Example("Will it rain in Bern?", "1. other()"), "large")
        assert store.best("Will it rain in Rome?", "small") == [self.HOTEL, self.RAIN]
        assert store.best("Will it rain in Rome?", "small", k=1) == [self.RAIN]
        assert store.best("Will it rain?", "small", tools=["HotelSearch", "PlaceLookup"]) == []
        assert store.best("Will it rain?", "unknown") == []

    def test_they_are_kept_in_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "examples.jsonl"
        ExampleStore(path).add(self.RAIN, "small")
        ExampleStore(path).add(self.RAIN, "small")
        assert ExampleStore(path).of("small") == [self.RAIN]
        assert len(path.read_text().splitlines()) == 1
        path.write_text("{}\n")
        with pytest.raises(PlannerError, match=r"examples.jsonl, line 1 is no example"):
            ExampleStore(path)

    @pytest.mark.asyncio
    async def test_the_prompt_shows_them(self) -> None:
        store = ExampleStore()
        store.add(self.RAIN, "small")
        model = ScriptedChatModel(replies=['1. weather_forecast("Bern")\n2. join()'])
        planner = LLMPlanner(model, TOOLS, store=store, called="small")
        assert [task.call async for task in planner.plan("Will it rain in Bern?")] == ["weather_forecast"]
        assert str(model.prompts[0][0].text).endswith(f"Question: {self.RAIN.question}\n{self.RAIN.plan}")
