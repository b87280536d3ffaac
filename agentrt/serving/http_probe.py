"""One small HTTP request to a server that may not be there yet."""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio

_PATIENCE = 2.0


async def http_status(url: str, key: str) -> int | None:
    """The status of a GET with a bearer key, or None when nobody answers within two seconds.

    Loopback and plain HTTP only: this exists so that waiting for a server needs no HTTP library.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = (
        f"GET {parts.path} HTTP/1.0\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    )
    try:
        with anyio.fail_after(_PATIENCE):
            async with await anyio.connect_tcp(host, port) as stream:
                await stream.send(request.encode())
                answer = await stream.receive(256)
    except (OSError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
        return None
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 2 and words[1].isdigit() else None
