"""Base images in a hypervisor's storage: what is missing, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.guests.base_image import GUESTS, OURS, BaseImage, LocalImage, WantedImage
from farswitch.image.root_tree import Progress
from farswitch.lock.locks import shared_settings


def missing(hypervisor: Hypervisor, wanted: WantedImage) -> list[str]:
    """Return the volumes of the base image that the hypervisor lacks, or has half."""
    volumes = hypervisor.volumes(wanted.pool)
    complete = {volume.name for volume in volumes if volume.complete and volume.ours}
    return [name for name in names(wanted.base) if name not in complete]


def names(base: BaseImage) -> list[str]:
    """Return the volumes of a base image."""
    parts = [f"{base.name}.kernel", f"{base.name}.initrd"] if base.own else []
    return [*parts, base.disk_volume]


def upload(
    hypervisor: Hypervisor,
    wanted: WantedImage,
    volumes: Sequence[str],
    local: LocalImage,
    progress: Progress,
) -> None:
    """Bring volumes of the base image into the pool, which is made where there is none."""
    hypervisor.ensure_pool(wanted.pool, wanted.pool_path)
    for volume, path in _files(local):
        if volume in volumes:
            progress(f"{hypervisor.host}: uploading {volume}")
            with path.open("rb") as source:
                hypervisor.upload(wanted.pool, volume, source, path.stat().st_size)


def _files(local: LocalImage) -> Iterator[tuple[str, Path]]:
    files = {"kernel": local.kernel, "initrd": local.initrd, "qcow2": local.disk}
    for kind, path in files.items():
        if path is not None:
            yield f"{local.name}.{kind}", path


def remove_unneeded(
    hypervisor: Hypervisor, login: Shell, pool: str, *, without: str = "", dry: bool
) -> list[str]:
    """Remove base images and the pool, once no guest's disk is left there; return a diff's lines.

    While any cluster has a disk in the pool, or is being built, all images stay: a disk is worth
    nothing without its own. What is not ours stays, be it the pool or a volume in it. The shell
    is for the lock of what clusters share. In a dry run the guests of the cluster `without` are
    taken for gone.
    """
    with shared_settings(login, dry_run=dry) as holders:
        volumes = hypervisor.volumes(pool)
        ours = [volume.name for volume in volumes if volume.ours]
        needed_by = [match[1] for name in ours if (match := GUESTS.fullmatch(name))]
        built = any(holder.workflow == "build" for holder in holders)
        if built or any(not (dry and cluster == without) for cluster in needed_by):
            return []
        images = [name for name in ours if OURS.fullmatch(name)]
        whole_pool = hypervisor.owns_pool(pool) and all(volume.ours for volume in volumes)
        if not dry:
            for name in images:
                hypervisor.delete_volume(pool, name)
            if whole_pool:
                hypervisor.remove_pool(pool)
    return [*(f"- volume {name}" for name in images), *([f"- pool {pool}"] if whole_pool else [])]
