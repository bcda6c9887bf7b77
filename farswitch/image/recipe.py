"""What goes into the guest image, and the digest that names it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farswitch.errors import ConfigError

GUEST = Path(__file__).parent / "guest"
"""What the image is made from: lists, the initrd's script, and what is laid over a tree."""
VERSION = 2
"""Raised when the code that makes the image changes what comes out."""
KERNELS = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}
COMPONENTS = {"debian": "main", "ubuntu": "main,universe"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that an image follows from; `system` is the ID of os-release."""

    system: str
    suite: str
    architecture: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    masked: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    """Path below `image/guest` and sha256 of each file that the image is made from."""
    version: int = VERSION

    @property
    def components(self) -> str:
        """The components of the system's archive that hold the packages."""
        return COMPONENTS[self.system]

    @property
    def digest(self) -> str:
        """The sha256 over every field, in hexadecimal."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def recipe(
    os_release: Path = Path("/etc/os-release"),
    architecture: str | None = None,
    *,
    packages: Sequence[str] = (),
) -> Recipe:
    """Return the recipe for an image of the same system as this machine's.

    Args:
        os_release: Where the system says what it is, see os-release(5).
        architecture: As `uname -m` names it; this machine's when not given.
        packages: What is installed beside our own; their order means nothing.

    Raises:
        ConfigError: No image can be made on this system.
    """
    fields = _os_release(os_release)
    system, suite = fields.get("ID", ""), fields.get("VERSION_CODENAME", "")
    machine = architecture or platform.machine()
    if system not in KERNELS or not suite or machine != "x86_64":
        raise ConfigError(
            f"No guest image can be made on '{system or 'unknown'}' "
            f"('{suite or 'no VERSION_CODENAME'}', {machine}): "
            "wanted Debian or Ubuntu on x86_64.",
            hint="Set image.source and image.sha256 in the site to a cloud image of your own.",
        )
    own = lines("packages")
    return Recipe(
        system=system,
        suite=suite,
        architecture=machine,
        packages=(KERNELS[system], *own, *sorted({*packages} - {*own})),
        modules=lines("modules"),
        masked=lines("masked"),
        files=tuple(
            (str(path.relative_to(GUEST)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(GUEST.rglob("*"))
            if path.is_file()
        ),
    )


def lines(name: str) -> tuple[str, ...]:
    """Return the lines of one of our lists, without comments."""
    text = (GUEST / name).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def _os_release(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines())
    return {key: value.strip("\"'") for key, sign, value in pairs if sign}
