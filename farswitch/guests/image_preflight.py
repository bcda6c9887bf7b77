"""What stands against the guests' base image, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.errors import ConfigError, Obstacle
from farswitch.guests.base_image import WantedImage, check_size
from farswitch.image.disk_header import read
from farswitch.image.fetch import local_file


def image_obstacles(wanted: WantedImage, volumes: Sequence[VolumeState]) -> Iterator[Obstacle]:
    """Yield why the image cannot be had, where a hypervisor with these volumes lacks it.

    Nothing is fetched: of a user's file its first bytes are read, and a URL is taken as it is.
    """
    try:
        disk = wanted.base.disk_volume
        if not any(volume.name == disk and volume.complete for volume in volumes):
            _check_file(wanted)
    except ConfigError as error:
        yield Obstacle(str(error), error.hint)


def _check_file(wanted: WantedImage) -> None:
    source = wanted.image.source
    path = None if wanted.image.own else local_file(source)
    if path is not None:
        check_size(read(path, source).virtual_size, wanted.disk)
