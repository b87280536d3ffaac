"""The HTTP clients behind a chat model: one for each server, event loop and world (with `await` or without)."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

if TYPE_CHECKING:
    import openai

_NO_KEY = "none"
# Seconds until somebody who does not answer the door is not at home.
_CONNECT = 10.0
_LOOPBACK = re.compile(r"http://(127\.|localhost[:/]|\[::1\])")


class Connections:
    """Clients, made when they are first needed.

    Args:
        key: API key; without one `OPENAI_API_KEY` is used, and without that none.
        timeout: Seconds without a word from a server after which a request fails.
        retries: How often a request that failed before it was answered is sent again.
    """

    def __init__(self, key: SecretStr | None, timeout: float, retries: int) -> None:
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._loop: asyncio.AbstractEventLoop | None = None
        self._async: dict[str, openai.AsyncOpenAI] = {}
        self._sync: dict[str, openai.OpenAI] = {}

    def with_await(self, url: str) -> openai.AsyncOpenAI:
        """The client for a server in the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Connections belong to the event loop that opened them.
            self._loop, self._async = loop, {}
        if url not in self._async:
            import openai

            self._async[url] = openai.AsyncOpenAI(**self._access(url))
        return self._async[url]

    def without_await(self, url: str) -> openai.OpenAI:
        """The client for a server in code without an event loop."""
        if url not in self._sync:
            import openai

            self._sync[url] = openai.OpenAI(**self._access(url))
        return self._sync[url]

    async def aclose(self) -> None:
        """Close all connections; the next request opens new ones."""
        held, self._async = self._async, {}
        if self._loop is asyncio.get_running_loop():
            for client in held.values():
                await client.close()
        self.close()

    def close(self) -> None:
        """Close the connections of calls without `await`."""
        held, self._sync = self._sync, {}
        for client in held.values():
            client.close()

    def _access(self, url: str) -> dict[str, Any]:
        import openai

        given = self._key.get_secret_value() if self._key else os.environ.get("OPENAI_API_KEY")
        # Connecting costs nothing on this machine, and a connection kept open would outlive an event loop
        # that ends without `aclose`, or the server behind it.
        headers = {"Connection": "close"} if _LOOPBACK.match(url) else {}
        return {
            "base_url": url,
            "api_key": given or _NO_KEY,
            "timeout": openai.Timeout(self._timeout, connect=min(self._timeout, _CONNECT)),
            "max_retries": self._retries,
            "default_headers": headers,
        }
