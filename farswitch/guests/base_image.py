"""The guests' base image: which one the settings ask for, and its files on the controller."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.image.build import COMMAND_LINE, build
from farswitch.image.recipe import recipe
from farswitch.image.root_tree import Progress
from farswitch.image.user_image import download
from farswitch.model.settings import Settings

OWN, USER = "own", "user"
PREFIX = "base-"
OURS = re.compile(rf"{PREFIX}({OWN}|{USER})-[0-9a-f]{{16}}\.(qcow2|kernel|initrd)")
"""The volumes of base images: others may lie in the same pool."""
GUESTS = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.([0-9]+\.qcow2|seed\.iso)")
"""The volumes of guests, of whatever cluster: CLUSTER.GUEST.WHAT."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base image on a hypervisor: our own, booted by kernel and initrd, or a user's own disk."""

    name: str
    pool_path: str
    cmdline: str

    def named(self, name: str) -> BaseImage:
        """Return the base image of another name in the same pool."""
        return replace(self, name=name)

    @property
    def own(self) -> bool:
        return self.name.startswith(f"{PREFIX}{OWN}-")

    @property
    def disk_volume(self) -> str:
        return f"{self.name}.qcow2"

    @property
    def disk(self) -> str:
        return f"{self.pool_path}/{self.disk_volume}"

    @property
    def kernel(self) -> str:
        return f"{self.pool_path}/{self.name}.kernel" if self.own else ""

    @property
    def initrd(self) -> str:
        return f"{self.pool_path}/{self.name}.initrd" if self.own else ""


@dataclass(frozen=True, slots=True)
class LocalImage:
    """The image's files on the controller; `size` is the disk's virtual size in bytes."""

    name: str
    disk: Path
    kernel: Path | None
    initrd: Path | None
    size: int


def base_image(settings: Settings) -> BaseImage:
    """Return the base image that the settings ask for, wherever it may lie by now.

    Raises:
        ConfigError: No image of our own can be made on this system.
    """
    wanted = settings.image
    digest = recipe().digest if wanted.own else wanted.sha256 or ""
    name = f"{PREFIX}{OWN if wanted.own else USER}-{digest[:16]}"
    return BaseImage(name, settings.pool_path, COMMAND_LINE)


def fetch(settings: Settings, progress: Progress) -> LocalImage:
    """Make or download the image on the controller; the cache answers when it has it.

    Raises:
        FarswitchError: It cannot be made, fetched, or is not what its digest says.
    """
    name = base_image(settings).name
    if settings.image.own:
        built = build(recipe(), progress=progress)
        return LocalImage(name, built.disk, built.kernel, built.initrd, built.virtual_size)
    own = download(
        settings.image.source,
        settings.image.sha256 or "",
        progress=progress,
        most=settings.disk << 30,
    )
    return LocalImage(name, own.disk, None, None, own.virtual_size)


def check_size(local: LocalImage, settings: Settings) -> None:
    """Refuse an image that is larger than the guests' disks.

    Raises:
        ConfigError: It is.
    """
    if local.size > settings.disk << 30:
        raise ConfigError(
            f"The image's disk has {local.size >> 20} MiB, wanted at most {settings.disk} GiB.",
            hint="Raise 'disk' in the site's defaults.yaml.",
        )
