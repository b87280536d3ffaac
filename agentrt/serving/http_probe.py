"""Small HTTP requests to a server that may not be there yet."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio

_PATIENCE = 2.0
_LONGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered: its status and the body as text, cut after 4 MiB."""

    status: int
    text: str


async def http_status(url: str, key: str) -> int | None:
    """The status of a GET with a bearer key, or None when nobody answers within two seconds."""
    page = await http_get(url, key)
    return page.status if page else None


async def http_get(url: str, key: str) -> Page | None:
    """A GET with a bearer key, or None when nobody answers within two seconds.

    Plain HTTP only: this exists so that waiting for a server needs no HTTP library.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = (
        f"GET {parts.path} HTTP/1.0\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    )
    answer = bytearray()
    try:
        with anyio.fail_after(_PATIENCE):
            async with await anyio.connect_tcp(host, port) as stream:
                await stream.send(request.encode())
                # HTTP/1.0: the body ends where the connection does.
                async for block in stream:
                    answer += block
                    if len(answer) > _LONGEST:
                        break
    except (OSError, TimeoutError, anyio.BrokenResourceError):
        return None
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 3 or not words[1].isdigit():
        return None
    return Page(int(words[1]), body.decode(errors="replace"))
