"""Tool calls that a model writes as JSON, in a code fence or bare, brought into the tags that vLLM's reader knows.

Qwen2.5-Coder is told to write `<tool_call>{"name": …, "arguments": …}</tool_call>` and writes

    ```json
    {"name": "get_weather", "arguments": {"location": "Oslo"}}
    ```

Only what names a tool of the request is a call; any other JSON stays text. Pure: no vLLM is needed here.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_FENCE = "```"
_LINE = r"(?:^|(?<=\n))"
_OPENING = rf"(?:{_FENCE}[a-z_]{{0,12}}[ \t]*\n?)?[ \t]*"
_FENCES = regex.compile(rf"{_LINE}[ \t]*{_FENCE}")
_CLOSING = regex.compile(rf"[ \t]*\n?[ \t]*{_FENCE}[ \t]*\n?")


class CallTexts:
    """Finds the calls in what a model has written so far.

    Args:
        names: of the tools it may call.
    """

    def __init__(self, names: Iterable[str]) -> None:
        known = "|".join(regex.escape(name) for name in names)
        begin = rf'{_LINE}{_OPENING}\{{\s*"name"\s*:\s*"(?:{known})"\s*,\s*"arguments"\s*:'
        self._begin = regex.compile(begin) if known else None

    def tagged(self, text: str) -> str:
        """The text with each call in tags.

        For a longer text the result begins with that for a shorter one: what may still become a call, or the end of
        its fence, is held back until it is clear.
        """
        if self._begin is None:
            return text
        # From a tag of the model's own on, all is as the reader knows it. Its first letter ends what was held back.
        own = text.find(OPEN)
        rest = text[own + 1 :] if own >= 0 else ""
        return self._before_tags(text[: len(text) - len(rest)], self._begin) + rest

    @staticmethod
    def _before_tags(text: str, pattern: regex.Pattern[str]) -> str:
        parts: list[str] = []
        at, in_fence = 0, False
        while found := pattern.search(text, at, partial=True):
            start = found.start()
            parts.append(text[at:start])
            in_fence ^= len(_FENCES.findall(text, at, start)) % 2 == 1
            if in_fence and text.startswith(_FENCE, start):
                # It ends what was quoted before; nothing begins with it.
                at, in_fence = start + len(_FENCE), False
                parts.append(_FENCE)
                continue
            if found.partial:
                break
            begin = text.index("{", start)
            end = _end_of_object(text, begin)
            parts.append(OPEN + text[begin:end])
            if end is None:
                break
            parts.append(CLOSE)
            at, in_fence = end, False
            closing = _CLOSING.match(text, at, partial=True)
            if closing is not None and closing.partial:
                break
            at = end if closing is None else closing.end()
        else:
            parts.append(text[at:])
        return "".join(parts)


def _end_of_object(text: str, begin: int) -> int | None:
    """Just behind the brace that closes the one at `begin`; None while it has not come."""
    depth, quoted, escaped = 0, False, False
    for at in range(begin, len(text)):
        letter = text[at]
        if quoted:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in "{[":
            depth += 1
        elif letter in "}]":
            depth -= 1
            if depth == 0:
                return at + 1
    return None
