"""The user's own image: by path or URL, and never used unless its sha256 is right."""

from __future__ import annotations

import re
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from farswitch.errors import ConfigError, FarswitchError
from farswitch.image.cache import lock
from farswitch.image.http_range import receive, size
from farswitch.image.sums import Received, digest, silent

ATTEMPTS = 5
"""Connections in a row that may bring nothing new before the download is given up."""
PAUSE = 1.0
"""Seconds before the next attempt, times the attempts that failed."""
UNBOUNDED = 1 << 62


class DownloadError(FarswitchError):
    """The image could not be had; what came so far is kept, and the next try goes on from it."""

    def __init__(self, url: str, have: int, cause: str) -> None:
        super().__init__(
            f"The image '{url}' could not be downloaded: {cause} after {have} bytes.",
            hint="Try again: the download goes on where it stopped.",
        )
        self.url = url
        self.have = have


def fetch(
    source: str,
    sha256: str,
    cache: Path,
    *,
    progress: Received = silent,
    pause: float = PAUSE,
    most: int = UNBOUNDED,
) -> Path:
    """Return a file that has the wanted digest.

    Args:
        source: A path, or an http or https URL.
        sha256: The digest that the file must have, in hexadecimal.
        cache: The folder that downloads are kept in.
        progress: Gets how far it is, in bytes.
        pause: Seconds to wait before trying again, times the attempts that failed.
        most: Bytes that a download may have.

    Returns:
        The path itself, or the downloaded file, named by its digest.

    Raises:
        ConfigError: The digest is another one, it is too large, or there is no way to get it.
        DownloadError: The server could not be reached, or broke off too often.
    """
    wanted = sha256.lower()
    if not re.fullmatch("[0-9a-f]{64}", wanted):
        raise ConfigError(
            f"The sha256 of the image '{source}' is '{sha256}': wanted 64 hexadecimal digits."
        )
    scheme = urlsplit(source).scheme
    if scheme in {"http", "https"}:
        return _download(source, wanted, cache, progress, pause, most=most)
    path = local_file(source)
    if path is None:
        raise ConfigError(f"The image '{source}' is neither a path nor an http or https URL.")
    return _local(path, wanted, progress)


def local_file(source: str) -> Path | None:
    """Return the file that a source is; None where it is a URL.

    Raises:
        ConfigError: There is no file that can be read.
    """
    if "://" in source:
        return None
    path, hint = Path(source).expanduser(), "Correct image.source in the site's defaults.yaml."
    try:
        if not path.exists():
            raise ConfigError(f"The image '{path}' does not exist.", hint=hint)
        if not path.is_file():
            raise ConfigError(f"The image '{path}' is no file.", hint=hint)
        path.open("rb").close()
    except OSError as error:
        cause = f"The image '{path}' cannot be read: {error.strerror}."
        raise ConfigError(cause, hint=hint) from None
    return path


def _local(path: Path, wanted: str, progress: Received) -> Path:
    found = digest(path, progress)
    if found != wanted:
        raise _mismatch(str(path), found, wanted)
    return path


def _download(
    url: str, wanted: str, cache: Path, progress: Received, pause: float, *, most: int
) -> Path:
    target = cache / f"{wanted}.img"
    partial = cache / f"{wanted}.partial"
    with lock(cache, wanted):
        if target.exists():
            if digest(target) == wanted:
                return target
            target.unlink()  # its disk, or somebody, has changed it since
        for fresh in (not partial.exists(), True):
            _complete(url, partial, progress, pause, most)
            found = digest(partial)
            if found == wanted:
                partial.rename(target)
                break
            partial.unlink()
            if fresh:
                raise _mismatch(url, found, wanted)
    return target


def _complete(url: str, partial: Path, progress: Received, pause: float, most: int) -> None:
    """Ask for what is missing until nothing is."""
    failures = 0
    while True:
        before = size(partial)
        try:
            if receive(url, partial, progress, most):
                return
            cause = "the connection ended"
        except HTTPError as error:
            if error.code < 500:  # noqa: PLR2004 - RFC 9110: asking again changes nothing
                raise DownloadError(url, before, f"the server answered {error.code}") from error
            cause = f"the server answered {error.code}"
        except (URLError, HTTPException, OSError) as error:
            cause = str(error) or type(error).__name__
        failures = 0 if size(partial) > before else failures + 1
        if failures >= ATTEMPTS:
            raise DownloadError(url, size(partial), cause)
        time.sleep(failures * pause)


def _mismatch(source: str, found: str, wanted: str) -> ConfigError:
    return ConfigError(
        f"The image '{source}' has the sha256 {found}: wanted {wanted}.",
        hint="Correct image.sha256 in the site, or get the image again.",
    )
