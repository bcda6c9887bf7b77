"""Base images in a hypervisor's storage: what is missing, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.errors import ForeignObjectError
from farswitch.guests.base_image import GUESTS, OURS, BaseImage, LocalImage, WantedImage
from farswitch.guests.pool import opened, ours, remove
from farswitch.image.root_tree import Progress
from farswitch.lock.locks import shared_settings


def missing(hypervisor: Hypervisor, wanted: WantedImage) -> list[str]:
    """Return the volumes of the base image that the hypervisor lacks, or has half.

    Raises:
        ForeignObjectError: Something else lies there under the name of one.
    """
    needed = names(wanted.base)
    have = {volume.name: volume for volume in hypervisor.volumes(wanted.pool)}
    for volume in (have[name] for name in needed if name in have):
        if volume.replaced or not volume.ours:
            hint = f"Move it away: mv {volume.path} {volume.path}.old"
            raise ForeignObjectError("Volume", volume.name, hypervisor.host, hint=hint)
    return [name for name in needed if name not in have or not have[name].complete]


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
    """Bring volumes of the base image into the pool."""
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
    hypervisor: Hypervisor,
    login: Shell,
    pool: str,
    *,
    path: str = "",
    without: str = "",
    dry: bool,
) -> list[str]:
    """Remove base images and the pool, once no guest's disk is left there; return a diff's lines.

    While any cluster has a disk in the pool, or is being built, all images stay: a disk is worth
    nothing without its own. Others' pools stay, and others' files; so does our pool while a domain
    that is not ours names it. The shell is for the lock of what clusters share, and for folders.
    `path` is where the pool was. In a dry run the guests of the cluster `without` are taken for
    gone.
    """
    with shared_settings(login, dry_run=dry) as holders:
        names_of_ours = ours(hypervisor, login, pool, path)
        needed_by = [match[1] for name in names_of_ours if (match := GUESTS.fullmatch(name))]
        built = any(holder.workflow == "build" for holder in holders)
        if built or any(not (dry and cluster == without) for cluster in needed_by):
            return []
        images = [name for name in names_of_ours if OURS.fullmatch(name)]
        rest = set(names_of_ours) - set(images) if not dry else ()
        have = hypervisor.pool(pool)
        pool_goes = have is not None and have.ours and not rest and not _is_used(hypervisor, pool)
        if not dry:
            with opened(hypervisor, login, pool, path):
                for name in images:
                    hypervisor.delete_volume(pool, name)
                if pool_goes or (have is None and images):
                    remove(hypervisor, login, pool)
    return [*(f"- volume {name}" for name in images), *([f"- pool {pool}"] if pool_goes else [])]


def _is_used(hypervisor: Hypervisor, pool: str) -> bool:
    """Whether a domain that is not ours has a disk that it names by the pool."""
    theirs = (domain.xml for domain in hypervisor.list_domains() if domain.cluster is None)
    return any(f"pool='{pool}'" in xml for xml in theirs)
