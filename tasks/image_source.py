"""The guests' base image on the controller, before anything on a server is touched."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt
from farswitch.guests.base_image import WantedImage, fetch
from farswitch.guests.image_volumes import missing
from farswitch.image.root_tree import Progress


def image_source(
    task: Task, wanted: WantedImage, *, progress: Progress = lambda _line: None
) -> Result:
    """Have the image on the controller, checked, where the hypervisor lacks it; changes no server.

    Args:
        task: Runs on a hypervisor.
        wanted: Which image.
        progress: Is called with a line on how far it is.

    Returns:
        A result whose `result` is the image's files, or None where none is needed.

    Raises:
        ConfigError: The user's image is not what its digest says, or too large for the guests.
        FarswitchError: The image cannot be made or fetched.
    """
    local = fetch(wanted, progress) if missing(libvirt(task), wanted) else None
    return Result(host=task.host, result=local)
