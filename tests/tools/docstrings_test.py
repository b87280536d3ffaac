from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentrt.tools.docstrings import describe


def test_a_google_style_docstring() -> None:
    read = describe(
        """Sends a letter
        by post.

        Args:
            to (str, optional): whose name
              is on it: the addressee
            *rest: more

            text: what it says

        Raises:
            to: not an argument
        """
    )
    assert read.summary == "Sends a letter by post."
    assert read.arguments == {
        "to": "whose name is on it: the addressee",
        "rest": "more",
        "text": "what it says",
    }


def test_nothing_to_read() -> None:
    assert describe(None) == ("", {})
    assert describe("\n    Args:\n        x: only this\n    ") == ("", {"x": "only this"})
    assert describe("One line.\n\n:param x: another style") == ("One line.", {})


@given(st.text("abArgs:Returns \n\t*()", max_size=80))
def test_no_docstring_breaks_it(text: str) -> None:
    read = describe(text)
    assert "\n" not in read.summary


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=5), st.text("xyz ", min_size=1).map(str.strip), max_size=5))
def test_every_entry_is_found(entries: dict[str, str]) -> None:
    text = "Summary.\n\nArgs:\n" + "".join(f"    {name}: {value}\n" for name, value in entries.items())
    assert describe(text).arguments == entries
