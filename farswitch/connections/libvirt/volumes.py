"""The volumes of a hypervisor's pools, and uploads that are never half-used.

libvirt keeps no metadata of volumes. Each of ours, `NAME`, therefore has a sidecar `NAME.farswitch`
that is made before it and deleted after it: without that, a volume is somebody else's, whatever its
name. The sidecar has no content, and the length of what was uploaded. Nor can libvirt rename a
volume: an upload makes `NAME.part` before it and deletes that when all is there; while it stands,
`NAME` is incomplete, also after a crash.
"""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import libvirt

from farswitch.connections.libvirt.domains import LibvirtError, errors_named
from farswitch.connections.libvirt.pools import Pools, PoolState
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import ForeignObjectError

BLOCK = 262_120
"""Bytes that one packet of libvirt's protocol carries (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX)."""
PART, SIDECAR = ".part", ".farswitch"
Owner = tuple[int, int]
"""Of a file: the numbers of user and group."""


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A volume as libvirt has it, in bytes; one that is not `complete` must not be used.

    `ours` is whether it bears our mark. `replaced`: somebody put something in its place that is no
    file.
    """

    name: str
    capacity: int
    path: str
    complete: bool
    ours: bool
    replaced: bool = False


class Volumes(Pools):
    """The part of a hypervisor that knows the volumes of its pools."""

    def volumes(self, pool: str, *, refresh: bool = True) -> tuple[VolumeState, ...]:
        """Return the pool's volumes by name; none when there is no pool, or it is stopped.

        Without `refresh` they are as libvirt has them: it stops a pool that it cannot read anew.
        A sidecar whose volume was not made yet, or is deleted already, is an incomplete one too.
        """
        with errors_named(self.host, f"pool '{pool}'"):
            storage = self.refreshed_pool(pool) if refresh else self.find_pool(pool)
            if storage is None or not storage.isActive():
                return ()
            listed = {volume.name(): volume for volume in storage.listAllVolumes()}
            listed.pop(SIDECAR, None)  # that of the folder
            return tuple(_states(listed))

    def volume(self, pool: str, name: str, *, anew: bool = False) -> VolumeState | None:
        """Return one volume, or None when there is none of that name, or the pool is stopped.

        The pool reads its folder anew for the first one alone, and where a file is gone: that
        takes as long as there are files, and a build asks several times for each guest. With `anew`
        it does so in any case: for who has to be sure that nothing is there.
        """
        names = (name, f"{name}{PART}", f"{name}{SIDECAR}")
        known = pool in self._fresh and not anew
        reads = [*([self.find_pool] if known else []), self.refreshed_pool]
        with errors_named(self.host, f"volume '{name}' in pool '{pool}'"):
            for read in reads:
                storage = read(pool)
                if storage is None or not storage.isActive():
                    return None
                found = ((one, _lookup(storage, one)) for one in names)
                listed = {one: volume for one, volume in found if volume is not None}
                state = next((state for state in _states(listed) if state.name == name), None)
                if state is not None or not listed:
                    return state
            return None

    def remove_pool(
        self, name: str, remove_folders: Callable[[PoolState], object] | None = None
    ) -> bool:
        """Forget the pool; return False when there is none of ours.

        Raises:
            LibvirtError: Volumes of ours are in it; it stays as it was.
        """
        left = [volume.name for volume in self.volumes(name) if volume.ours]
        if left:
            cause = OSError(errno.ENOTEMPTY, f"It still has {', '.join(left[:3])}")
            raise LibvirtError(self.host, f"pool '{name}'", cause)
        return super().remove_pool(name, remove_folders)

    def create_overlay(
        self,
        pool: str,
        name: str,
        backing: str,
        capacity: int,
        *,
        backing_format: str = "qcow2",
        owner: Owner | None = None,
    ) -> None:
        """Create a qcow2 volume on top of the one whose path is `backing`; one of ours is replaced.

        Its `capacity` is in bytes, as the guest sees it; its file's owner is root where none is
        given.

        Raises:
            ForeignObjectError: A volume of that name is not ours.
        """
        with self._claimed(pool, name, 0):
            self._create(
                pool,
                f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{capacity}</capacity>"
                "<target><format type='qcow2'/><permissions><mode>0600</mode>"
                f"{_owner(owner)}</permissions></target><backingStore><path>{escape(backing)}</path>"
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
        owner: Owner | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Make a volume of `size` bytes; one of ours under the name is replaced.

        Its file gets the permission bits `mode` and the owner; `progress` is called with the bytes
        sent so far.

        Raises:
            LibvirtError: libvirt refused, or the source is shorter than `size`; no volume is left.
            ForeignObjectError: A volume of that name is not ours.
        """
        with self._claimed(pool, name, size):
            self._create(pool, _raw(f"{name}{PART}", 0, 0o600))
            self._create(pool, _raw(name, size, mode, owner))
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
        there = not volume.replaced and self._delete(pool, name)
        self._delete(pool, f"{name}{PART}")
        self._delete(pool, f"{name}{SIDECAR}")
        return there

    @contextlib.contextmanager
    def _claimed(self, pool: str, name: str, size: int) -> Iterator[None]:
        """Make a name free and mark it as ours; leave nothing where the volume does not come."""
        have = self.volume(pool, name)
        if have is not None and have.replaced:
            raise ForeignObjectError("Folder", have.path, self.host)
        self.delete_volume(pool, name)
        try:
            self._create(pool, _raw(f"{name}{SIDECAR}", size, 0o600))
            yield
        except BaseException:
            # Else the cause of the failure gets lost.
            with contextlib.suppress(LibvirtError, ConnectionLostError):
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
            volume = _lookup(storage, name)
            if volume is not None:
                try:
                    volume.delete()
                except libvirt.libvirtError as error:
                    if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                        return False
                    raise
            return volume is not None


def _lookup(storage: Any, name: str) -> Any | None:
    try:
        return storage.storageVolLookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise


def _states(listed: Mapping[str, Any]) -> Iterator[VolumeState]:
    """Yield what a pool has, by name; the signs of ours are not volumes of their own.

    A volume that goes while we look, by another guest's worker, is not there.
    """
    ours = {name.removesuffix(SIDECAR) for name in listed if name.endswith(SIDECAR)}
    signs = {f"{name}{sign}" for name in ours for sign in (PART, SIDECAR)}
    for name in sorted({*listed, *ours} - signs):
        sidecar = listed.get(f"{name}{SIDECAR}")
        try:
            yield _volume_state(name, listed.get(name), sidecar, cut=f"{name}{PART}" in listed)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise


def _volume_state(name: str, volume: Any | None, sidecar: Any | None, *, cut: bool) -> VolumeState:
    there: Any = volume or sidecar
    kind, capacity, _ = there.info()
    path, replaced, whole = there.path().removesuffix(SIDECAR), False, volume is not None
    if volume and sidecar:
        replaced = kind != libvirt.VIR_STORAGE_VOL_FILE
        whole = not (cut or replaced) and _length(volume, sidecar.info()[1])
    return VolumeState(name, capacity, path, whole, sidecar is not None, replaced)


def _length(volume: Any, uploaded: int) -> bool:
    """Whether a volume's file is as long as what was uploaded, in bytes; 0 where nothing was."""
    if not uploaded:
        return True
    physical = volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2]
    return bool(physical == uploaded)


def _raw(name: str, size: int, mode: int, owner: Owner | None = None) -> str:
    return (
        f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{size}</capacity>"
        "<allocation>0</allocation><target><format type='raw'/>"
        f"<permissions><mode>{mode:04o}</mode>{_owner(owner)}</permissions></target></volume>"
    )


def _owner(owner: Owner | None) -> str:
    return f"<owner>{owner[0]}</owner><group>{owner[1]}</group>" if owner else ""
