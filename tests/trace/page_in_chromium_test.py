"""The trace page in a real browser: what is on it, keyboard, contrast, 1,000 tasks, strangers' text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from chromium import BROWSER, DRIVER, Browser, browser
from traced_runs import CANARY, answered_run, layered, plain_run

from agentrt.trace import run_page, run_trace

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="there is no chromium with its chromedriver here (Debian: apt-get install chromium chromium-driver)",
)

# Every text on the page against what is painted behind it: WCAG 2.2, 1.4.3.
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    if (one.matches(".n") ) return parse(getComputedStyle(one.querySelector("rect")).fill);
    const colour = parse(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll("body *:not(script)")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || element.closest(".unseen, .skip, option")) continue;
  const style = getComputedStyle(element);
  const text = parse(element instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(text), light(behind(element))].sort((x, y) => y - x);
  found.push([(a + 0.05) / (b + 0.05), element.outerHTML.slice(0, 120)]);
}
return found.sort((x, y) => x[0] - y[0]);
"""


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as opened:
        opened.size(1400, 1000)
        yield opened


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "small.html"
    path.write_text(run_page(run_trace(anyio.run(answered_run))), "utf-8")
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "large.html"
    path.write_text(run_page(run_trace(anyio.run(plain_run, layered(1_000)))), "utf-8")
    return path


def test_a_step_that_is_chosen_shows_its_arguments_result_and_neighbours(window: Browser, small: Path) -> None:
    window.open(small)
    window.click('#graph .n[aria-label^="7. search"]')
    detail = window.run("return document.getElementById('detail').innerText")
    assert "7. search" in detail
    assert "Waits for" in detail and "2. search" in detail
    assert "Scott Derrickson was an American filmmaker." in detail
    assert window.run("return document.querySelectorAll('.n.chosen, tr.chosen').length") == 2
    window.click("#steps tr.failed button")
    assert "no luck with this" in window.run("return document.getElementById('detail').innerText")
    window.click("#steps tr.retried button")
    assert "attempt 2 failed" in window.run("return document.getElementById('detail').innerText")
    assert window.complaints() == []


def test_what_tools_returned_is_text_and_never_runs(window: Browser, small: Path) -> None:
    window.open(small)
    assert window.run("return document.title") == "Same nationality?"
    assert window.run("return document.images.length") == 0
    assert window.run("return document.scripts.length") == 2
    # Nor would it if it had slipped in as markup: the policy lets nothing but the page's own script run.
    window.run(
        "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"';"
        "document.body.append(s);"
    )
    assert window.run("return document.title") == "Same nationality?"
    assert any("Content Security Policy" in line for line in window.complaints())
    assert CANARY not in window.run("return document.documentElement.outerHTML")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: str, window: Browser, small: Path) -> None:
    window.colours(scheme)
    window.open(small, "#step=4")
    back = window.run("return getComputedStyle(document.body).backgroundColor")
    assert back == {"light": "rgb(251, 251, 249)", "dark": "rgb(22, 24, 27)"}[scheme]
    found = window.run(CONTRAST)
    assert len(found) > 80
    assert found[0][0] >= 4.5, found[:5]


def test_the_theme_button_overrules_the_system(window: Browser, small: Path) -> None:
    window.colours("light")
    window.open(small)
    window.click("#theme")
    window.click("#theme")
    assert window.run("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert window.run("return document.getElementById('theme').textContent") == "Theme: dark"


def test_everything_can_be_done_with_the_keyboard(window: Browser, small: Path) -> None:
    window.open(small)
    focused = "return document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    window.press("Tab")
    assert window.run(focused) == "Skip to the steps"
    window.run("document.querySelector('#graph .n[tabindex=\"0\"]').focus()")
    assert window.run(focused).startswith("1. search")
    while not window.run(focused).startswith("2. search"):
        before = window.run(focused)
        window.press("Down")
        assert window.run(focused) != before
    window.press("Right")
    assert window.run(focused).startswith("7. search"), "along the edge"
    window.press("Left")
    assert window.run(focused).startswith("2. search")
    window.press("Enter")
    assert window.run(focused) == "2. search", "the heading of the details has the focus"
    window.run("document.querySelector('#steps button[tabindex=\"0\"]').focus()")
    window.press("Down")
    window.press("Enter")
    assert window.run("return document.querySelector('tr.chosen button') === document.activeElement")
    stops = window.run(
        "const all = document.querySelectorAll('a, button, input, select, [tabindex]');"
        "return [...all].filter((one) => one.tabIndex >= 0).length"
    )
    assert stops < 25, "one stop for the graph and one for the table, however many tasks there are"


def test_assistive_technology_finds_names_and_roles(window: Browser, small: Path) -> None:
    window.open(small, "#step=3")
    window.chrome("Accessibility.enable")
    tree = window.chrome("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node.get("ignored")}
    nameless = [role for role, name in named if role in ("button", "textbox", "searchbox", "combobox") and not name]
    assert not nameless
    assert any(role == "button" and "3. weather, finished" in name and "critical path" in name for role, name in named)
    assert {"banner", "main", "complementary", "table", "status", "heading"} <= {role for role, _ in named}
    assert ("columnheader", "State") in named


def test_a_thousand_tasks_stay_usable(window: Browser, large: Path) -> None:
    window.open(large)
    assert window.run("return document.querySelectorAll('#graph .n').length") == 1_000
    ready = window.run(
        "const t = performance.getEntriesByType('navigation')[0]; return t.domContentLoadedEventEnd - t.startTime"
    )
    assert ready < 5_000, "milliseconds to a page that answers, on a shared machine"
    window.type("#filter", "part 77")
    shown = "return [...document.querySelectorAll('#steps tbody tr')].filter((row) => !row.hidden).length"
    assert window.run(shown) == 11, "77 and 770 to 779"
    assert window.run("return document.getElementById('told').textContent") == "11 of 1000 steps"
    window.click("#steps tbody tr:not([hidden]) button")
    assert "work on part 77" in window.run("return document.getElementById('detail').innerText")
    inside = window.run(
        "const n = document.querySelector('.n.chosen').getBoundingClientRect(), c = canvas.getBoundingClientRect();"
        "return n.left >= c.left && n.right <= c.right && n.top >= c.top && n.bottom <= c.bottom"
    )
    assert inside, "the chosen node has been scrolled into the picture"
    window.click("#fit")
    assert window.run("return canvas.scrollWidth <= canvas.clientWidth + 1")


@pytest.mark.parametrize("width", [420, 1400])
def test_nothing_sticks_out_of_a_window(width: int, window: Browser, large: Path, small: Path) -> None:
    window.chrome("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    try:
        for page in (small, large):
            window.open(page, "#step=3")
            assert window.run("return document.documentElement.scrollWidth") <= width
    finally:
        window.chrome("Emulation.clearDeviceMetricsOverride")


def test_the_page_asks_for_nothing_else(window: Browser, small: Path) -> None:
    window.open(small)
    assert window.run("return performance.getEntriesByType('resource').length") == 0
