"""The guests' base image: which one the settings ask for, and its files on the controller."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.image.build import COMMAND_LINE, build
from farswitch.image.recipe import Recipe, recipe
from farswitch.image.root_tree import Progress
from farswitch.image.user_image import download
from farswitch.model.settings import Image, Settings

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


@dataclass(frozen=True, slots=True)
class WantedImage:
    """Which image the guests boot, and where it lies on a hypervisor.

    Attributes:
        image: Our own, or the user's by path or URL.
        disk: The guests' disks in GiB, which have to hold it.
    """

    image: Image
    disk: int
    pool: str
    pool_path: str

    @property
    def base(self) -> BaseImage:
        """The image, wherever it may lie by now.

        Raises:
            ConfigError: No image of our own can be made on this system.
        """
        digest = own_recipe(self.image).digest if self.image.own else self.image.sha256 or ""
        name = f"{PREFIX}{OWN if self.image.own else USER}-{digest[:16]}"
        return BaseImage(name, self.pool_path, COMMAND_LINE)


def wanted_image(settings: Settings) -> WantedImage:
    """Return the image of a cluster's guests."""
    return WantedImage(settings.image, settings.disk, settings.pool, settings.pool_path)


def own_recipe(image: Image) -> Recipe:
    """Return what our own image follows from, with the packages that a site adds."""
    return recipe(packages=image.packages)


def fetch(wanted: WantedImage, progress: Progress) -> LocalImage:
    """Make or download the image on the controller; the cache answers when it has it.

    Raises:
        ConfigError: The image is larger than the guests' disks.
        FarswitchError: It cannot be made, fetched, or is not what its digest says.
    """
    name, image = wanted.base.name, wanted.image
    if image.own:
        built = build(own_recipe(image), progress=progress)
        local = LocalImage(name, built.disk, built.kernel, built.initrd, built.virtual_size)
    else:
        own = download(image.source, image.sha256 or "", progress=progress, most=wanted.disk << 30)
        local = LocalImage(name, own.disk, None, None, own.virtual_size)
    check_size(local.size, wanted.disk)
    return local


def check_size(size: int, disk: int) -> None:
    """Refuse an image whose virtual size in bytes is above the guests' disks, given in GiB.

    Raises:
        ConfigError: It is.
    """
    if size > disk << 30:
        raise ConfigError(
            f"The image's disk has {size >> 20} MiB, wanted at most {disk} GiB.",
            hint="Raise 'disk' in the site's defaults.yaml.",
        )
