"""Folder pools of a hypervisor; one of ours bears our mark in its uuid."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import libvirt

from farswitch.connections.libvirt.domains import MARK_URI, errors_named
from farswitch.errors import ForeignObjectError


@dataclass(frozen=True, slots=True)
class PoolState:
    """A folder pool that is started; `ours` is whether we made it."""

    name: str
    path: str
    ours: bool


class Pools(ABC):
    """The part of a hypervisor that knows storage pools."""

    host: str

    @abstractmethod
    def connection(self) -> Any:
        """Return the open virConnect."""

    def ensure_pool(self, name: str, path: str) -> bool:
        """Have a folder pool, started, now and after a reboot; return whether anything changed.

        A pool that somebody else made is used, and stays theirs.

        Raises:
            ForeignObjectError: A pool of that name lies elsewhere.
        """
        with errors_named(self.host, f"pool '{name}'"):
            pool, changed = self.find_pool(name), False
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
        with errors_named(self.host, f"pool '{name}'"):
            pool = self.find_pool(name)
            return pool is not None and _is_ours(pool)

    def remove_pool(self, name: str) -> bool:
        """Forget the pool, and remove its folder; return False when there is none of ours.

        Raises:
            LibvirtError: The folder is not empty; the pool stays as it was.
        """
        with errors_named(self.host, f"pool '{name}'"):
            pool = self.find_pool(name)
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
        with errors_named(self.host, "list of pools"):
            active = [pool for pool in self.connection().listAllStoragePools() if pool.isActive()]
            states = [PoolState(pool.name(), _path(pool), _is_ours(pool)) for pool in active]
        return tuple(sorted(states, key=lambda state: state.name))

    def find_pool(self, name: str) -> Any | None:
        """Return libvirt's pool, started or not; None when there is none of that name."""
        try:
            return self.connection().storagePoolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
                return None
            raise


def _path(pool: Any) -> str:
    return ET.fromstring(pool.XMLDesc()).findtext("target/path", "")  # noqa: S314 - libvirt's own


def _pool_mark(name: str) -> str:
    """Return the uuid of a pool that we made: libvirt keeps no metadata of pools."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{MARK_URI}:pool:{name}"))


def _is_ours(pool: Any) -> bool:
    return bool(pool.UUIDString() == _pool_mark(pool.name()))
