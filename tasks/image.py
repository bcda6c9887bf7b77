"""The guests' base image in a hypervisor's libvirt storage, uploaded once a digest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nornir.core.task import Result, Task

from connections.access import libvirt, shell
from connections.libvirt import Hypervisor
from image.build import COMMAND_LINE, build
from image.download import download
from image.recipe import recipe
from image.tree import Progress
from inventory.errors import ConfigError
from inventory.model import Settings
from tasks.lock import shared_settings

OWN, USER = "own", "user"
PREFIX = "base-"
OURS = re.compile(rf"{PREFIX}({OWN}|{USER})-[0-9a-f]{{16}}\.(qcow2|kernel|initrd)")
"""The volumes of base images: others may lie in the same pool."""
GUESTS = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.([0-9]+\.qcow2|seed\.iso)")
"""The volumes of guests, of whatever cluster: CLUSTER.GUEST.WHAT."""
LOCAL = "local_image"
"""The key of the image's files on the controller in a hypervisor's Nornir data."""


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


def image_source(task: Task, settings: Settings, progress: Progress) -> Result:
    """Have the image on the controller, checked, before anything on a server is touched.

    Where the hypervisor has the image of that digest already, nothing is needed.

    Args:
        task: Runs on a hypervisor.
        settings: Which image.
        progress: Told how far it is.

    Raises:
        ConfigError: The user's image is not what its digest says, or too large for the guests.
        FarswitchError: The image cannot be made or fetched.
    """
    if _missing(libvirt(task), settings):
        local = fetch(settings, progress)
        check_size(local, settings)
        task.host.data[LOCAL] = local
    return Result(host=task.host)


def image(
    task: Task, settings: Settings, progress: Progress, *, dry_run: bool | None = None
) -> Result:
    """Bring the base image into the storage of one hypervisor, unless it is there.

    Args:
        task: Runs on a hypervisor.
        settings: Which image, and the pool.
        progress: Told what is uploaded.
        dry_run: Only tell.
    """
    hypervisor, base = libvirt(task), base_image(settings)
    missing = _missing(hypervisor, settings)
    if missing and not task.is_dry_run(dry_run):
        hypervisor.ensure_pool(settings.pool, settings.pool_path)
        local = task.host.data[LOCAL]
        for volume, path in _sources(base, local):
            if volume in missing:
                progress(f"{task.host.name}: uploading {volume}")
                with path.open("rb") as source:
                    hypervisor.upload(settings.pool, volume, source, path.stat().st_size)
    diff = "\n".join(f"+ volume {name}" for name in missing)
    return Result(host=task.host, changed=bool(missing), diff=diff, result=len(missing))


def _missing(hypervisor: Hypervisor, settings: Settings) -> list[str]:
    """Return the volumes of the base image that the hypervisor lacks, or has half."""
    volumes = hypervisor.volumes(settings.pool)
    complete = {one.name for one in volumes if one.complete and one.ours}
    return [name for name in _volumes(base_image(settings)) if name not in complete]


def _volumes(base: BaseImage) -> list[str]:
    parts = [f"{base.name}.kernel", f"{base.name}.initrd"] if base.own else []
    return [*parts, base.disk_volume]


def _sources(base: BaseImage, local: LocalImage) -> Iterator[tuple[str, Path]]:
    files = {"kernel": local.kernel, "initrd": local.initrd, "qcow2": local.disk}
    for kind, path in files.items():
        if path is not None:
            yield f"{base.name}.{kind}", path


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


def remove_images(task: Task, settings: Settings, *, dry_run: bool | None = None) -> Result:
    """Remove the base images and the pool from one hypervisor, once no guest's disk is left there.

    While any cluster has a disk in the pool, or is being built, all images stay: a disk is worth
    nothing without its own. What is not ours stays, be it the pool or a volume in it.

    Args:
        task: Runs on a hypervisor.
        settings: The pool.
        dry_run: Only tell.
    """
    hypervisor, pool, dry = libvirt(task), settings.pool, task.is_dry_run(dry_run)
    with shared_settings(shell(task), dry_run=dry) as holders:
        volumes = hypervisor.volumes(pool)
        names = [volume.name for volume in volumes if volume.ours]
        if dry:  # the cluster's own would be gone by now
            names = [name for name in names if not _is_of(settings.cluster, name)]
        built = any(one.get("workflow") == "build" for one in holders)
        if built or any(GUESTS.fullmatch(name) for name in names):
            return Result(host=task.host)
        doomed = [name for name in names if OURS.fullmatch(name)]
        empty = hypervisor.owns_pool(pool) and all(volume.ours for volume in volumes)
        if not dry:
            for name in doomed:
                hypervisor.delete_volume(pool, name)
            if empty:
                hypervisor.remove_pool(pool)
    gone = [*(f"- volume {name}" for name in doomed), *([f"- pool {pool}"] if empty else [])]
    return Result(host=task.host, changed=bool(gone), diff="\n".join(gone), result=len(gone))


def _is_of(cluster: str, volume: str) -> bool:
    found = GUESTS.fullmatch(volume)
    return found is not None and found[1] == cluster
