"""A child process that fetches one URL into one file, going on where it stopped.

It runs by path and imports the standard library only: a process can be killed at any moment, which a
thread that hangs in a name server's silence cannot. The parent watches the file grow.

Exit status: 0 whole, 3 unreachable or broken off, 4 refused by the server, 5 disk full. The reason is
the last line on standard error.
"""

from __future__ import annotations

import errno
import http.client
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

WHOLE, UNREACHABLE, REFUSED, DISK_FULL = 0, 3, 4, 5
_STALL = 30.0


def fetch(url: str, target: Path) -> None:
    """Append what is missing of `url` to `target`."""
    have = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_STALL) as answer:
        # A server that ignores Range sends the whole file again, from its start.
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        with target.open("ab" if resumed else "wb", buffering=0) as out:
            shutil.copyfileobj(answer, out, 1 << 20)


def main(arguments: list[str]) -> int:
    """Fetch `arguments[0]` into the file `arguments[1]`; the result is the exit status."""
    url, target = arguments
    try:
        fetch(url, Path(target))
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return WHOLE
        print(f"{url} answered {error.code} {error.reason}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"{url}: {getattr(error, 'reason', error)}", file=sys.stderr)
        return DISK_FULL if error.errno == errno.ENOSPC else UNREACHABLE
    except http.client.HTTPException as error:
        print(f"{url} broke off: {error!r}", file=sys.stderr)
        return UNREACHABLE
    return WHOLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
