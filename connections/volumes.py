"""Storage of a hypervisor: one folder pool, its volumes, and uploads that are never half-used.

libvirt cannot rename a volume. An upload therefore makes an empty volume `NAME.part` first and
deletes it last: while it stands, `NAME` is incomplete, also after a crash, and is uploaded anew.
"""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import libvirt

from connections.domains import MARK_URI, LibvirtError, told
from inventory.errors import ForeignObjectError

BLOCK = 262_120
"""Bytes that one packet of libvirt's protocol carries (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX)."""
PART = ".part"


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A volume as libvirt has it, in bytes; one that is not `complete` must not be used."""

    name: str
    capacity: int
    allocation: int
    path: str
    complete: bool


@dataclass(frozen=True, slots=True)
class PoolState:
    """A folder pool that is started; `ours` tells that we made it."""

    name: str
    path: str
    ours: bool


class Volumes:
    """The part of a hypervisor that knows storage."""

    host: str

    def connection(self) -> Any:
        """Return the open virConnect."""
        raise NotImplementedError

    def ensure_pool(self, name: str, path: str) -> bool:
        """Have a folder pool, started, now and after a reboot; return whether anything changed.

        A pool that somebody else made is used, and stays theirs.

        Raises:
            ForeignObjectError: A pool of that name lies elsewhere.
        """
        with told(self.host, f"pool '{name}'"):
            pool, changed = self._pool(name), False
            if pool is None:
                xml = (
                    f"<pool type='dir'><name>{escape(name)}</name><uuid>{_pool_mark(name)}</uuid>"
                    f"<target><path>{escape(path)}</path></target></pool>"
                )
                pool, changed = self.connection().storagePoolDefineXML(xml), True
            elif _path(pool) != path:
                raise ForeignObjectError("Storage pool", name, self.host)
            if not pool.isActive():
                pool.build()
                pool.create()
                changed = True
            if _is_ours(pool) and not pool.autostart():
                pool.setAutostart(1)
                changed = True
            return changed

    def owns_pool(self, name: str) -> bool:
        """Return whether libvirt knows the pool, started or not, and we made it."""
        with told(self.host, f"pool '{name}'"):
            pool = self._pool(name)
            return pool is not None and _is_ours(pool)

    def remove_pool(self, name: str) -> bool:
        """Forget the pool, and remove its folder; return False when there is none of ours.

        Raises:
            LibvirtError: The folder is not empty; the pool stays as it was.
        """
        with told(self.host, f"pool '{name}'"):
            pool = self._pool(name)
            if pool is None or not _is_ours(pool):
                return False
            if pool.isActive():
                pool.destroy()
            try:
                pool.delete()
            except libvirt.libvirtError:
                pool.create()
                raise
            pool.undefine()
            return True

    def pools(self) -> tuple[PoolState, ...]:
        """Return every pool that is started, ours and others', by name."""
        with told(self.host, "list of pools"):
            found = [pool for pool in self.connection().listAllStoragePools() if pool.isActive()]
            states = [PoolState(one.name(), _path(one), _is_ours(one)) for one in found]
        return tuple(sorted(states, key=lambda state: state.name))

    def volumes(self, pool: str) -> tuple[VolumeState, ...]:
        """Return the pool's volumes by name; none when there is no pool, or it is stopped.

        The sign of an upload that broke off before its volume was made is an incomplete one too.
        """
        with told(self.host, f"pool '{pool}'"):
            found = self._pool(pool)
            if found is None or not found.isActive():
                return ()
            listed = {volume.name(): volume for volume in found.listAllVolumes()}
            states = {
                name.removesuffix(PART): _state(volume, complete=f"{name}{PART}" not in listed)
                for name, volume in sorted(listed.items(), reverse=True)  # NAME after NAME.part
            }
            for name in [one for one in states if f"{one}{PART}" in listed]:
                states[name] = replace(states[name], name=name, complete=False)
            return tuple(states[name] for name in sorted(states))

    def volume(self, pool: str, name: str) -> VolumeState | None:
        """Return one volume, or None when there is none of that name."""
        return next((volume for volume in self.volumes(pool) if volume.name == name), None)

    def backing(self, pool: str, name: str) -> str:
        """Return the path of the volume below another; "" when it lies on none, or is not there."""
        with told(self.host, f"volume '{name}' in pool '{pool}'"):
            try:
                volume = (
                    self.connection().storagePoolLookupByName(pool).storageVolLookupByName(name)
                )
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                    return ""
                raise
            xml = ET.fromstring(volume.XMLDesc())  # noqa: S314 - libvirt's own
            return xml.findtext("backingStore/path", "")

    def create_volume(self, pool: str, xml: str) -> None:
        """Create a volume from libvirt's XML."""
        name = ET.fromstring(xml).findtext("name", "?")  # noqa: S314 - we wrote it
        with told(self.host, f"volume '{name}' in pool '{pool}'"):
            self.connection().storagePoolLookupByName(pool).createXML(xml)

    def create_overlay(
        self, pool: str, name: str, backing: str, capacity: int, *, backing_format: str = "qcow2"
    ) -> None:
        """Create a qcow2 volume on top of another.

        Args:
            pool: Where it is created.
            name: Its name.
            backing: The path of the volume below.
            capacity: Its size in bytes, as the guest sees it.
            backing_format: The format of the volume below.
        """
        self.create_volume(
            pool,
            f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{capacity}</capacity>"
            "<target><format type='qcow2'/><permissions><mode>0600</mode></permissions></target>"
            f"<backingStore><path>{escape(backing)}</path><format type='{backing_format}'/>"
            "</backingStore></volume>",
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
        """Make a volume of these bytes; one that is there under the name is replaced.

        Args:
            pool: Where it is created.
            name: Its name.
            source: The bytes, or a file open for reading.
            size: How many they are.
            mode: The permission bits of its file.
            progress: Called with the number of bytes sent so far.

        Raises:
            LibvirtError: libvirt refused, or the source is shorter than `size`; no volume is left.
        """
        self.delete_volume(pool, name)
        self.create_volume(pool, _raw(f"{name}{PART}", 0, 0o600))
        try:
            self.create_volume(pool, _raw(name, size, mode))
            with told(self.host, f"upload of volume '{name}' to pool '{pool}'"):
                self._send(pool, name, source, size, progress)
        except BaseException:
            with contextlib.suppress(LibvirtError):  # else the cause of the failure gets lost
                self.delete_volume(pool, name)
            raise
        self._delete(pool, f"{name}{PART}")

    def delete_volume(self, pool: str, name: str) -> bool:
        """Delete a volume and the sign of a broken upload; return whether the volume was there."""
        there = self._delete(pool, name)
        self._delete(pool, f"{name}{PART}")
        return there

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
        with told(self.host, f"volume '{name}' in pool '{pool}'"):
            found = self._pool(pool)
            if found is None or not found.isActive():
                return False
            try:
                found.storageVolLookupByName(name).delete()
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                    return False
                raise
            return True

    def _pool(self, name: str) -> Any | None:
        try:
            return self.connection().storagePoolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
                return None
            raise


def _state(volume: Any, *, complete: bool) -> VolumeState:
    _, capacity, allocation = volume.info()
    return VolumeState(volume.name(), capacity, allocation, volume.path(), complete)


def _path(pool: Any) -> str:
    return ET.fromstring(pool.XMLDesc()).findtext("target/path", "")  # noqa: S314 - libvirt's own


def _pool_mark(name: str) -> str:
    """Return the uuid of a pool that we made: libvirt keeps no metadata of pools."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{MARK_URI}:pool:{name}"))


def _is_ours(pool: Any) -> bool:
    return bool(pool.UUIDString() == _pool_mark(pool.name()))


def _raw(name: str, size: int, mode: int) -> str:
    return (
        f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{size}</capacity>"
        "<allocation>0</allocation><target><format type='raw'/>"
        f"<permissions><mode>{mode:04o}</mode></permissions></target></volume>"
    )
