"""The user's own image as a disk that guests can be laid over."""

from __future__ import annotations

import subprocess
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.image import sums
from farswitch.image.build import BuiltImage
from farswitch.image.cache import default_cache, lock
from farswitch.image.disk_header import Format, read
from farswitch.image.fetch import UNBOUNDED, fetch
from farswitch.image.root_tree import ImageError, Progress, run
from farswitch.image.sums import Received

MIB = 1 << 20
OVERHEAD = 64 * MIB
"""Of a qcow2 file over its data, beside a 64th for its tables: much more than it needs."""


def download(
    source: str,
    sha256: str,
    cache: Path | None = None,
    *,
    progress: Progress = lambda _line: None,
    most: int = UNBOUNDED,
) -> BuiltImage:
    """Return the user's cloud image, downloaded, checked and in qcow2 format.

    Args:
        source: A path, or an http or https URL.
        sha256: The digest that the file must have, in hexadecimal.
        cache: The folder that downloads are kept in; the user's own when not given.
        progress: Gets a line on how far it is, once a percent.
        most: Bytes of the disk that a guest may see.

    Raises:
        ConfigError: The digest is another one, or it is no disk image that can stand alone.
        DownloadError: The server could not be reached, or broke off too often.
        ImageError: The image could not be converted.
    """
    cache = cache or default_cache()
    bound = most + most // 64 + OVERHEAD
    path = fetch(source, sha256, cache, progress=_percent(source, progress), most=bound)
    header = read(path, source)
    _open(path, header.format)
    if header.format != "qcow2":
        path = _converted(path, header.format, sha256.lower(), cache, progress)
    return BuiltImage(path, None, None, "", sha256.lower(), header.virtual_size)


def _percent(source: str, progress: Progress) -> Received:
    """Turn counts of bytes into a line whenever the percentage changes."""
    last = ""

    def received(have: int, total: int | None) -> None:
        nonlocal last
        done = f"{100 * have // total} % of {total // MIB} MiB" if total else f"{have // MIB} MiB"
        if done != last:
            last = done
            progress(f"{source}: {done}")

    return received


def _open(path: Path, form: Format) -> None:
    """Let QEMU open the image, as this format and no other."""
    argv = ("qemu-img", "info", "-f", form, "--output=json", str(path.absolute()))
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ImageError("qemu-img", 127, str(error), hint="Install 'qemu-utils'.") from error
    if answer.returncode:
        raise ConfigError(f"The image '{path}' is no disk image: {answer.stderr.strip()}")


def _converted(path: Path, form: Format, digest: str, cache: Path, progress: Progress) -> Path:
    """Return the image in qcow2 format, written beside and renamed."""
    target = cache / f"{digest}.qcow2"
    made = cache / f"{digest}.qcow2.sums"
    with lock(cache, f"{digest}.qcow2"):
        if not sums.intact(made):
            progress(f"Converting the image from {form}")
            partial = cache / f"{digest}.qcow2.partial"
            convert = ("qemu-img", "convert", "-f", form, "-O", "qcow2")
            run((*convert, str(path.absolute()), str(partial)))
            partial.rename(target)
            sums.seal(made, [target])
    return target
