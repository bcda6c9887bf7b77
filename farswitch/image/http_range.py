"""One connection of a download: what it brings is appended to what is there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from farswitch.errors import ConfigError

Received = Callable[[int, int | None], None]
"""Told the bytes that are there, and the bytes that there will be if the server said so."""
BLOCK = 1 << 20
SILENCE = 30.0
"""Seconds without a byte after which a connection counts as dead."""


def receive(url: str, partial: Path, progress: Received, most: int) -> bool:
    """Append what one connection brings; tell whether the file is complete.

    Raises:
        ConfigError: It has more than `most` bytes; nothing of it is kept.
    """
    have = size(partial)
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        answer = cast("HTTPResponse", urlopen(request, timeout=SILENCE))  # noqa: S310
    except HTTPError as error:
        if error.code != 416 or not have:  # noqa: PLR2004 - RFC 9110: nothing at that offset
            raise
        error.close()
        # All of it is there, or what is there is of another file: the digest tells
        if _total(error.headers.get("Content-Range", "")) in {have, None}:
            return True
        partial.unlink()
        return False
    with answer:
        resumed = answer.status == 206 and _first(answer) == have  # noqa: PLR2004 - RFC 9110
        if not resumed:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with partial.open("ab" if resumed else "wb") as file:
            while (total or 0) <= most and (block := answer.read(BLOCK)):
                file.write(block)
                have += len(block)
                if have > most:
                    break
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


def _first(answer: HTTPResponse) -> int | None:
    """Return the offset that a partial answer starts at."""
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _total(content_range: str) -> int | None:
    match = re.fullmatch(r"bytes \*/(\d+)", content_range)
    return int(match[1]) if match else None


def size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
