"""A real headless Chromium, driven by its own driver over the WebDriver protocol.

https://www.w3.org/TR/webdriver2/
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # refused as root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
KEYS = {"Enter": "\ue007", "Left": "\ue012", "Up": "\ue013", "Right": "\ue014", "Down": "\ue015", "Tab": "\ue004"}
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window. Scripts see `arguments`, as in any WebDriver client."""

    def __init__(self, url: str, session: str) -> None:
        self._url = f"{url}/session/{session}"

    def open(self, page: Path, fragment: str = "") -> None:
        """Loads a file; returns when it has loaded."""
        self._send("/url", {"url": page.as_uri() + fragment})

    def run(self, script: str, *arguments: object) -> Any:
        """What the body of a function returns."""
        return self._send("/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Clicks where the element is; fails where another one covers it."""
        self._send(f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._send(f"/element/{self._find(selector)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Presses keys where the focus is."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._send("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def chrome(self, command: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._send("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def colours(self, scheme: str) -> None:
        """Pretends the system is `light` or `dark`."""
        self.chrome("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width: int, height: int) -> None:
        self._send("/window/rect", {"width": width, "height": height})

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._send("/screenshot", None)))

    def complaints(self) -> list[str]:
        """What the console was told since the last call."""
        return [str(entry["message"]) for entry in self._send("/se/log", {"type": "browser"})]

    def _find(self, selector: str) -> str:
        return self._send("/element", {"using": "css selector", "value": selector})[_ELEMENT]

    def _send(self, path: str, data: object) -> Any:
        return request(self._url + path, data)


def request(url: str, data: object, method: str | None = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=60) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from None


@contextmanager
def browser(flags: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser with a profile of its own; both end with the block."""
    assert BROWSER is not None and DRIVER is not None
    with tempfile.TemporaryDirectory(prefix="agentrt-chromium-") as profile:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = f"http://127.0.0.1:{_port(driver)}"
            options = {"binary": BROWSER, "args": [*_FLAGS, f"--user-data-dir={profile}", *flags]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = request(f"{url}/session", {"capabilities": {"alwaysMatch": wanted}})
            try:
                yield Browser(url, made["sessionId"])
            finally:
                request(f"{url}/session/{made['sessionId']}", None, method="DELETE")
        finally:
            driver.terminate()
            driver.wait(20)
            assert driver.stdout is not None
            driver.stdout.close()


def _port(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:
        if found := re.search(r"successfully on port (\d+)", line):
            return int(found[1])
    raise AssertionError("chromedriver ended before it said its port")
