"""One connection of a download: what it brings is appended to what is there.

By the standard library: of the downloaders that are kept, none both goes on with a part and bounds
what comes (pooch, pypdl), and curl bounds no answer without a length before 8.4 (Debian 12: 7.88).
"""

from __future__ import annotations

import os
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from farswitch.errors import ConfigError
from farswitch.image.sums import BLOCK, Received

SILENCE = 30.0
"""Seconds without a byte after which a connection counts as dead."""


def receive(url: str, partial: Path, progress: Received, most: int) -> bool:
    """Append what one connection brings; return whether the server has no more.

    Raises:
        ConfigError: It has more than `most` bytes; nothing of it is kept.
    """
    have = size(partial)
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        answer = cast("HTTPResponse", urlopen(request, timeout=SILENCE))  # noqa: S310
    except HTTPError as error:
        if have and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            return True  # RFC 9110: nothing starts there
        raise
    with answer:
        # RFC 9110: a server may send all of it instead, or start elsewhere
        resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with partial.open("ab" if resumed else "wb") as file:
            while max(have, total or 0) <= most and (block := answer.read(BLOCK)):
                file.write(block)
                have += len(block)
                progress(have, total)
            file.flush()
            os.fsync(file.fileno())
    if max(have, total or 0) > most:
        partial.unlink()
        raise ConfigError(
            f"The image '{url}' has more than {most >> 20} MiB.",
            hint="It would not fit on the guests' disks: raise 'disk' in the site's defaults.yaml.",
        )
    return total is None or have >= total


def size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
