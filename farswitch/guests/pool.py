"""The storage pool of guests: its folder may have been there before, and then stays.

How many folders were made for the pool its uuid says, and a file `.farswitch` in the folder, for a
pool that was undefined by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.libvirt.pools import PoolState
from farswitch.connections.libvirt.volumes import SIDECAR
from farswitch.connections.shell.base import Shell
from farswitch.guests.storage_probe import probe
from farswitch.remote import shell_command

_LIST = (
    'cd "$1" 2>/dev/null || exit 0; for file in *"$2"; do [ ! -f "$file" ] || echo "$file"; done'
)


def ensure(hypervisor: Hypervisor, login: Shell, name: str, path: str) -> bool:
    """Have the pool, started, now and after a reboot; return whether anything changed.

    Raises:
        ForeignObjectError: A pool of that name lies elsewhere.
    """
    seen = probe(login, path)
    changed = hypervisor.ensure_pool(name, path, missing=seen.missing or seen.made)
    have = hypervisor.pool(name)
    if have is not None and have.made and not seen.made:
        login.run(["sh", "-c", 'echo "$1" >"$2"', "mark", str(have.made), f"{path}/{SIDECAR}"])
    return changed


def is_ready(pool: PoolState | None) -> bool:
    """Whether `ensure` would change nothing."""
    return pool is not None and pool.active and (pool.autostart or not pool.ours)


@contextmanager
def opened(hypervisor: Hypervisor, login: Shell, name: str, path: str = "") -> Iterator[None]:
    """Have the pool started while its volumes are removed, as far as it is there.

    One that was stopped by hand is started, and stopped again where it is somebody else's. One that
    was undefined by hand, and left files of ours in its folder, is defined again.
    """
    pool = hypervisor.pool(name)
    if pool is None and path and _ours_in(login, path):
        ensure(hypervisor, login, name, path)
    started = hypervisor.start_pool(name)
    try:
        yield
    finally:
        if started and pool is not None and not pool.ours:
            hypervisor.stop_pool(name)


def ours(hypervisor: Hypervisor, login: Shell, name: str, path: str = "") -> list[str]:
    """Return our volumes in the pool, also where it was stopped, or undefined, by hand.

    `path` is where it was, as far as that is known.
    """
    pool = hypervisor.pool(name)
    if pool is not None and pool.active:
        return [volume.name for volume in hypervisor.volumes(name) if volume.ours]
    folder = pool.path if pool else path
    return _ours_in(login, folder) if folder else []


def _ours_in(login: Shell, path: str) -> list[str]:
    lines = login.run(["sh", "-c", _LIST, "list", path, SIDECAR]).stdout.splitlines()
    return sorted(name.removesuffix(SIDECAR) for name in lines)


def remove(hypervisor: Hypervisor, login: Shell, name: str) -> bool:
    """Forget the pool and remove the folders that were made for it, as far as they are empty."""

    def remove_folders(pool: PoolState) -> None:
        login.run(shell_command("folders_remove", pool.path, str(pool.made)))

    return hypervisor.remove_pool(name, remove_folders)
