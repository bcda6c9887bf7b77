"""What a folder of guests' disks is like on its hypervisor; changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.remote import shell_command


@dataclass(frozen=True, slots=True)
class StorageProbe:
    """What `storage.sh` printed of a folder, which may not be there yet.

    Attributes:
        missing: How many folders of its path are not there.
        made: How many of its folders were made for a pool of ours that lies there.
        blocked: Folders of its path that QEMU's user may not enter.
        acl: Those of them with an access control list.
        files: Parts of its path that are no folders.
        readonly: The file system is.
        inodes: How many more files it can have; None where it does not count them.
        same: Folders of other pools that are this one.
        unmounted: File systems of /etc/fstab on its path that are not mounted.
    """

    missing: int
    made: int = 0
    blocked: tuple[str, ...] = ()
    acl: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    readonly: bool = False
    inodes: int | None = None
    same: tuple[str, ...] = ()
    unmounted: tuple[str, ...] = ()


def probe(
    login: Shell, path: str, qemu: tuple[int, int] | None = None, others: Iterable[str] = ()
) -> StorageProbe:
    """Look at the folder as the user and group of QEMU, and compare it with other pools' folders.

    Without QEMU's numbers nothing is `blocked`.
    """
    numbers = [str(number) for number in qemu] if qemu else ["", ""]
    return parse(login.run(shell_command("storage", path, *numbers, *others)).stdout)


def parse(text: str) -> StorageProbe:
    """Read what `storage.sh` printed."""
    pairs = [line.split(" ", 1) for line in text.splitlines()]

    def values(word: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value for name, value in pairs if name == word))

    return StorageProbe(
        missing=int(values("missing")[0]),
        made=next(map(int, values("made")), 0),
        blocked=values("blocked"),
        acl=values("acl"),
        files=values("file"),
        readonly=bool(values("readonly")),
        inodes=next(map(int, values("inodes")), None),
        same=values("same"),
        unmounted=values("unmounted"),
    )
