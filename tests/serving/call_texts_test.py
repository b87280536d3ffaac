"""Calls written as JSON are found, whole and in a stream; other JSON stays text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("regex", reason="vLLM brings regex; pip install 'agentrt[cpu]'")

from agentrt.serving.call_texts import CLOSE, OPEN, CallTexts

_TEXTS = CallTexts(["weather", "a.b"])
_CALL = '{"name": "weather", "arguments": {"city": "Os}lo", "days": [1, {"n": "\\""}]}}'


@pytest.mark.parametrize(
    ("text", "tagged"),
    [
        (_CALL, f"{OPEN}{_CALL}{CLOSE}"),
        (f"```json\n{_CALL}\n```", f"{OPEN}{_CALL}{CLOSE}"),
        (f"I look it up.\n```\n{_CALL}\n```\n", f"I look it up.\n{OPEN}{_CALL}{CLOSE}"),
        (f"```json\n{_CALL}\n```\n```json\n{_CALL}\n```", f"{OPEN}{_CALL}{CLOSE}{OPEN}{_CALL}{CLOSE}"),
        (f"{_CALL}\n{_CALL}", f"{OPEN}{_CALL}{CLOSE}\n{OPEN}{_CALL}{CLOSE}"),
        ('{\n  "name": "a.b",\n  "arguments": {}\n}', OPEN + '{\n  "name": "a.b",\n  "arguments": {}\n}' + CLOSE),
        (f"{OPEN}{_CALL}{CLOSE}", f"{OPEN}{_CALL}{CLOSE}"),
        (f"{_CALL}\n{OPEN}\n{_CALL}\n{CLOSE}", f"{OPEN}{_CALL}{CLOSE}\n{OPEN}\n{_CALL}\n{CLOSE}"),
        ('{"name": "Ann", "arguments": {}}', '{"name": "Ann", "arguments": {}}'),
        ('{"name": "weather"}', '{"name": "weather"}'),
        ("```python\nprint({})\n```", "```python\nprint({})\n```"),
        (f"as in x = {_CALL}", f"as in x = {_CALL}"),
        ("", ""),
    ],
)
def test_calls_and_nothing_else_are_tagged(text: str, tagged: str) -> None:
    assert _TEXTS.tagged(text) == tagged


def test_without_tools_everything_is_text() -> None:
    assert CallTexts([]).tagged(_CALL) == _CALL


_PIECES = st.sampled_from(
    [
        _CALL,
        "```json\n",
        "\n```",
        "\n",
        "{",
        "}",
        '"name": "weather"',
        ', "arguments": ',
        "word ",
        " ",
        "```",
        '{"a": 1}',
    ]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_a_longer_text_begins_as_a_shorter_one_did(text: str) -> None:
    before = ""
    for end in range(len(text) + 1):
        now = _TEXTS.tagged(text[:end])
        assert now.startswith(before), (text[:end], before, now)
        before = now
    whole = _TEXTS.tagged(text)
    for part in whole.split(OPEN)[1:]:
        if CLOSE in part:
            try:
                called = json.loads(part.partition(CLOSE)[0], strict=False)
            except ValueError:
                assert OPEN in text  # the model's own tags hold what it wrote
                continue
            assert called["name"] in {"weather", "a.b"}
