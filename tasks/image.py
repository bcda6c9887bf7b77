"""The guests' base image in a hypervisor's libvirt storage, uploaded once a digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.guests.base_image import (
    GUESTS,
    OURS,
    BaseImage,
    LocalImage,
    base_image,
    check_size,
    fetch,
)
from farswitch.image.root_tree import Progress
from farswitch.lock.locks import shared_settings
from farswitch.model.settings import Settings

LOCAL = "local_image"
"""The key of the image's files on the controller in a hypervisor's Nornir data."""


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
