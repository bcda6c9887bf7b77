"""The guests' base image in a hypervisor's libvirt storage, uploaded once a digest."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.guests.base_image import LocalImage, WantedImage, fetch
from farswitch.guests.image_volumes import missing, remove_unneeded, upload
from farswitch.guests.pool import ensure, is_ready
from farswitch.image.root_tree import Progress


def image(
    task: Task,
    wanted: WantedImage,
    local: LocalImage | None = None,
    *,
    progress: Progress = lambda _line: None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Bring the base image into the storage of one hypervisor, unless it is there.

    Args:
        task: Runs on a hypervisor.
        wanted: Which image, and the pool.
        local: Its files on the controller; None makes or fetches them where they are needed.
        progress: Is called with a line on how far it is.
        present: False removes base images from the pool, once no guest's disk is left there.
        dry_run: True only reports. None: as the run says.

    Raises:
        FarswitchError: The image cannot be made or fetched.
    """
    hypervisor, dry = libvirt(task), task.is_dry_run(dry_run)
    if present:
        lines = _pool(hypervisor, shell(task), wanted, dry=dry)
        volumes = missing(hypervisor, wanted)
        if volumes and not dry:
            upload(hypervisor, wanted, volumes, local or fetch(wanted, progress), progress)
        lines += [f"+ volume {name}" for name in volumes]
    else:
        path = wanted.pool_path
        lines = remove_unneeded(hypervisor, shell(task), wanted.pool, path=path, dry=dry)
    return Result(host=task.host, changed=bool(lines), diff="\n".join(lines), count=len(lines))


def _pool(hypervisor: Hypervisor, login: Shell, wanted: WantedImage, *, dry: bool) -> list[str]:
    """Have the pool; return a diff's lines."""
    if dry:
        changes = not is_ready(hypervisor.pool(wanted.pool))
    else:
        changes = ensure(hypervisor, login, wanted.pool, wanted.pool_path)
    return [f"+ pool {wanted.pool}"] if changes else []
