"""The volumes of a hypervisor's pools, and uploads that are never half-used.

libvirt keeps no metadata of volumes. Each of ours, `NAME`, therefore has an empty sidecar
`NAME.farswitch` that is made before it and deleted after it: without that, a volume is somebody
else's, whatever its name. Nor can libvirt rename one: an upload makes `NAME.part` before its
volume and deletes it when all is there; while it stands, `NAME` is incomplete, also after a crash.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import libvirt

from farswitch.connections.libvirt.domains import LibvirtError, errors_named
from farswitch.connections.libvirt.pools import Pools
from farswitch.errors import ForeignObjectError

BLOCK = 262_120
"""Bytes that one packet of libvirt's protocol carries (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX)."""
PART, SIDECAR = ".part", ".farswitch"


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A volume as libvirt has it, in bytes; one that is not `complete` must not be used.

    `ours` is whether it bears our mark.
    """

    name: str
    capacity: int
    path: str
    complete: bool
    ours: bool


class Volumes(Pools):
    """The part of a hypervisor that knows the volumes of its pools."""

    def volumes(self, pool: str) -> tuple[VolumeState, ...]:
        """Return the pool's volumes by name; none when there is no pool, or it is stopped.

        A sidecar whose volume was not made yet, or is deleted already, is an incomplete one too.
        """
        with errors_named(self.host, f"pool '{pool}'"):
            storage = self.find_pool(pool)
            if storage is None or not storage.isActive():
                return ()
            listed = {volume.name(): volume for volume in storage.listAllVolumes()}
            return tuple(_states(listed))

    def volume(self, pool: str, name: str) -> VolumeState | None:
        """Return one volume, or None when there is none of that name."""
        return next((volume for volume in self.volumes(pool) if volume.name == name), None)

    def create_overlay(
        self, pool: str, name: str, backing: str, capacity: int, *, backing_format: str = "qcow2"
    ) -> None:
        """Create a qcow2 volume on top of the one whose path is `backing`; one of ours is replaced.

        Its `capacity` is in bytes, as the guest sees it.

        Raises:
            ForeignObjectError: A volume of that name is not ours.
        """
        with self._claimed(pool, name):
            self._create(
                pool,
                f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{capacity}</capacity>"
                "<target><format type='qcow2'/><permissions><mode>0600</mode></permissions>"
                f"</target><backingStore><path>{escape(backing)}</path>"
                f"<format type='{backing_format}'/></backingStore></volume>",
            )

    def upload(
        self,
        pool: str,
        name: str,
        source: BinaryIO | bytes,
        size: int,
        *,
        mode: int = 0o644,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Make a volume of `size` bytes; one of ours under the name is replaced.

        Its file gets the permission bits `mode`; `progress` is called with the bytes sent so far.

        Raises:
            LibvirtError: libvirt refused, or the source is shorter than `size`; no volume is left.
            ForeignObjectError: A volume of that name is not ours.
        """
        with self._claimed(pool, name):
            self._create(pool, _raw(f"{name}{PART}", 0, 0o600))
            self._create(pool, _raw(name, size, mode))
            with errors_named(self.host, f"upload of volume '{name}' to pool '{pool}'"):
                self._send(pool, name, source, size, progress)
            self._delete(pool, f"{name}{PART}")

    def delete_volume(self, pool: str, name: str) -> bool:
        """Delete a volume of ours and all that goes with it; return whether it was there.

        Raises:
            ForeignObjectError: It is not ours.
        """
        volume = self.volume(pool, name)
        if volume is None:
            return False
        if not volume.ours:
            raise ForeignObjectError("Volume", name, self.host)
        there = self._delete(pool, name)
        self._delete(pool, f"{name}{PART}")
        self._delete(pool, f"{name}{SIDECAR}")
        return there

    @contextlib.contextmanager
    def _claimed(self, pool: str, name: str) -> Iterator[None]:
        """Make a name free and mark it as ours; leave nothing where the volume does not come."""
        self.delete_volume(pool, name)
        try:
            self._create(pool, _raw(f"{name}{SIDECAR}", 0, 0o600))
            yield
        except BaseException:
            with contextlib.suppress(LibvirtError):  # else the cause of the failure gets lost
                self.delete_volume(pool, name)
            raise

    def _create(self, pool: str, xml: str) -> None:
        name = ET.fromstring(xml).findtext("name", "?")  # noqa: S314 - we wrote it
        with errors_named(self.host, f"volume '{name}' in pool '{pool}'"):
            self.connection().storagePoolLookupByName(pool).createXML(xml)

    def _send(
        self,
        pool: str,
        name: str,
        source: BinaryIO | bytes,
        size: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        reader = io.BytesIO(source) if isinstance(source, bytes) else source
        connection = self.connection()
        volume = connection.storagePoolLookupByName(pool).storageVolLookupByName(name)
        stream = connection.newStream()
        try:
            volume.upload(stream, 0, size)
            sent = 0
            for block in self._blocks(name, reader, size):
                left = block
                while left:
                    left = left[stream.send(left) :]
                sent += len(block)
                if progress:
                    progress(sent)
            stream.finish()
        except BaseException:
            stream.abort()
            raise

    def _blocks(self, name: str, reader: BinaryIO, size: int) -> Iterator[bytes]:
        sent = 0
        while sent < size:
            block = reader.read(min(BLOCK, size - sent))
            if not block:
                cause = EOFError(f"the source ended after {sent} of {size} bytes")
                raise LibvirtError(self.host, f"upload of volume '{name}'", cause)
            yield block
            sent += len(block)

    def _delete(self, pool: str, name: str) -> bool:
        with errors_named(self.host, f"volume '{name}' in pool '{pool}'"):
            storage = self.find_pool(pool)
            if storage is None or not storage.isActive():
                return False
            try:
                storage.storageVolLookupByName(name).delete()
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                    return False
                raise
            return True


def _states(listed: Mapping[str, Any]) -> Iterator[VolumeState]:
    """Yield what a pool has, by name; the signs of ours are not volumes of their own.

    A volume that goes while we look, by another guest's worker, is not there.
    """
    ours = {name.removesuffix(SIDECAR) for name in listed if name.endswith(SIDECAR)}
    signs = {f"{name}{sign}" for name in ours for sign in (PART, SIDECAR)}
    for name in sorted({*listed, *ours} - signs):
        volume = listed.get(name, listed.get(f"{name}{SIDECAR}"))
        complete = name in listed and not (name in ours and f"{name}{PART}" in listed)
        try:
            _, capacity, _ = volume.info()
            path = volume.path().removesuffix(SIDECAR)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                continue
            raise
        yield VolumeState(name, capacity, path, complete, name in ours)


def _raw(name: str, size: int, mode: int) -> str:
    return (
        f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{size}</capacity>"
        "<allocation>0</allocation><target><format type='raw'/>"
        f"<permissions><mode>{mode:04o}</mode></permissions></target></volume>"
    )
