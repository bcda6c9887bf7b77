"""Folder pools of a hypervisor; one of ours bears our mark in its uuid.

libvirt keeps no metadata of pools. The uuid also says how many folders were made for the pool: its
own, and those above that were missing. No other folder is ever removed.
"""

from __future__ import annotations

import contextlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import libvirt

from farswitch.connections.libvirt.domains import MARK_URI, errors_named
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import ForeignObjectError
from farswitch.pace import patient

BUSY = "asynchronous jobs"
"""What libvirt says of a pool that makes a volume just now, and cannot be refreshed meanwhile."""
BUSY_SECONDS = 10.0
"""A disk of ours is made within 0.1 s; somebody else's copy of a large one takes minutes."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool with a folder; `made` is how many folders were made for it, None where it is not ours.

    `autostart` is whether it is started with the server.
    """

    name: str
    path: str
    active: bool
    autostart: bool
    made: int | None

    @property
    def ours(self) -> bool:
        return self.made is not None


class Pools(ABC):
    """The part of a hypervisor that knows storage pools."""

    host: str
    _fresh: set[str]
    """The pools that have read their folders anew since the connection was made."""

    @abstractmethod
    def connection(self) -> Any:
        """Return the open virConnect."""

    def ensure_pool(self, name: str, path: str, *, missing: int = 1) -> bool:
        """Have a folder pool, started, now and after a reboot; return whether anything changed.

        A pool that somebody else made is used, and stays theirs. `missing` is how many folders of
        the path are not there yet: libvirt makes them, and they go with the pool.

        Raises:
            ForeignObjectError: A pool of that name lies elsewhere.
        """
        with errors_named(self.host, f"pool '{name}'"):
            if missing:
                self.refreshed_pool(name)  # stops it if its folder is gone
            pool = self.find_pool(name)
            if pool is not None and _state(pool).path != path:
                raise ForeignObjectError("Storage pool", name, self.host)
            if pool is not None and _lost(_state(pool), missing):
                pool.undefine()
                pool = None
            if pool is None:
                xml = (
                    f"<pool type='dir'><name>{escape(name)}</name>"
                    f"<uuid>{_pool_mark(name, missing)}</uuid>"
                    f"<target><path>{escape(path)}</path></target></pool>"
                )
                pool = self.connection().storagePoolDefineXML(xml)
            return _have_started(pool, missing)

    def start_pool(self, name: str) -> bool:
        """Start a pool that is stopped; return False where that is not so, or its folder is gone.

        Raises:
            LibvirtError: libvirt refused, and the folder may be there.
        """
        with errors_named(self.host, f"pool '{name}'"):
            pool = self.find_pool(name)
            if pool is None or pool.isActive():
                return False
            try:
                pool.create()
            except libvirt.libvirtError as error:
                if "No such file" in str(error):
                    return False
                raise
            return True

    def stop_pool(self, name: str) -> None:
        """Stop a pool; its volumes stay."""
        with errors_named(self.host, f"pool '{name}'"):
            pool = self.find_pool(name)
            if pool is not None and pool.isActive():
                pool.destroy()

    def remove_pool(
        self, name: str, remove_folders: Callable[[PoolState], object] | None = None
    ) -> bool:
        """Forget the pool; return False when there is none of ours.

        Its folder goes where it was made for it and is empty, by libvirt or by `remove_folders`.
        """
        with errors_named(self.host, f"pool '{name}'"):
            pool = self.find_pool(name)
            if pool is None or not _state(pool).ours:
                return False
            have = _state(pool)
            if have.active:
                pool.destroy()
            if remove_folders is not None:
                remove_folders(have)
            elif have.made:
                with contextlib.suppress(libvirt.libvirtError):  # others' files are in it
                    pool.delete()
            pool.undefine()
            return True

    def pool(self, name: str) -> PoolState | None:
        """Return one pool, started or not; None when there is none of that name."""
        with errors_named(self.host, f"pool '{name}'"):
            pool = self.find_pool(name)
            return _state(pool) if pool else None

    def pools(self) -> tuple[PoolState, ...]:
        """Return every pool that has a folder, started or not, ours and others', by name."""
        with errors_named(self.host, "list of pools"):
            states = [_state(pool) for pool in self.connection().listAllStoragePools()]
        return tuple(sorted((one for one in states if one.path), key=lambda state: state.name))

    def find_pool(self, name: str) -> Any | None:
        """Return libvirt's pool, started or not; None when there is none of that name."""
        try:
            return self.connection().storagePoolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
                return None
            raise

    def refreshed_pool(self, name: str) -> Any | None:
        """Return libvirt's pool once it has read its folder anew, which others write to as well.

        None when there is none of that name, when it is stopped, or its folder is gone.
        """
        pool = self.find_pool(name)
        if pool is None or not pool.isActive():
            return None
        with contextlib.suppress(DeadlineError):  # its list is as good as libvirt has it
            wait_until(
                lambda: _refresh(pool),
                Deadline(patient(BUSY_SECONDS)),
                what="The refresh",
                interval=0.02,
            )
            self._fresh.add(name)
        return pool if pool.isActive() else None


def _lost(have: PoolState, missing: int) -> bool:
    """Whether a pool's folder was there when it was defined, and is gone."""
    return have.made is not None and not have.active and missing > have.made


def _have_started(pool: Any, missing: int) -> bool:
    have, changed = _state(pool), False
    if not have.active:
        if missing:
            pool.build()
        pool.create()
        changed = True
    if have.ours and not have.autostart:
        pool.setAutostart(1)
        changed = True
    return changed


def _refresh(pool: Any) -> bool:
    """Let libvirt read the folder; return False while it cannot do that.

    libvirt stops a pool whose folder it cannot read.
    """
    try:
        pool.refresh()
    except libvirt.libvirtError as error:
        if BUSY in str(error):
            return False
        if pool.isActive():
            raise
    return True


def _state(pool: Any) -> PoolState:
    name, mark = pool.name(), pool.UUIDString()
    path = ET.fromstring(pool.XMLDesc()).findtext("target/path", "")  # noqa: S314 - libvirt's own
    made = next((n for n in range(path.count("/") + 2) if mark == _pool_mark(name, n)), None)
    return PoolState(name, path, bool(pool.isActive()), bool(pool.autostart()), made)


def _pool_mark(name: str, made: int) -> str:
    """Return the uuid of a pool of ours for which so many folders were made."""
    count = "" if made == 1 else f":{made}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{MARK_URI}:pool:{name}{count}"))
