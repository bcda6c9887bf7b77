"""What became of the share on a guest, whatever its files say: unit, export and mount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import Raw
from farswitch.guests.files.nfs import MOUNTED_WITH, Share
from farswitch.guests.nfs_exports import LOOK, Table, faults, parse, strangers

_UNIT = 'systemctl is-active "$1"'
_MOUNT = 'findmnt -n -r -t nfs,nfs4 -o OPTIONS --mountpoint "$1"'


@dataclass(frozen=True, slots=True)
class ShareState:
    """Whether the unit runs, the head's export table, and another guest's mount.

    Attributes:
        active: Whether the unit runs.
        table: The folder and what is exported; empty but on the head.
        options: What the share is mounted with; empty where it is not.
    """

    active: bool
    table: Table
    options: frozenset[str]

    @property
    def missing_options(self) -> list[str]:
        """The options that the share was mounted without: by hand, or by an older unit."""
        return sorted(MOUNTED_WITH - self.options) if self.options else []


def scripts(share: Share) -> list[tuple[str, ...]]:
    """Return the scripts of a look at the share."""
    (unit,) = share.units
    return [(_UNIT, unit), (LOOK if share.exports else _MOUNT, share.path)]


def parsed(share: Share, printed: Sequence[Raw]) -> ShareState:
    """Return what the scripts found."""
    unit, other = (one.stdout.decode(errors="replace").strip() for one in printed)
    mounted = [] if share.exports else other.split()
    return ShareState(
        active=unit == "active",
        table=parse(other if share.exports else ""),
        options=frozenset(mounted[-1].split(",") if mounted else ()),
    )


def observe(login: Shell, share: Share) -> ShareState:
    """Look at the share in one round trip."""
    return parsed(share, login.together(scripts(share)))


def wrong(share: Share, state: ShareState) -> list[str]:
    """Return which units do not run, and what is wrong with the export or the mount."""
    lines = [] if state.active else [f"+ unit {unit}" for unit in share.units]
    if share.exports:
        repairs = (*faults(share, state.table), *strangers(share, state.table))
        lines += [f"~ {one}" for one in repairs]
    elif missing := state.missing_options:
        lines.append(f"~ mount {share.path} without {', '.join(missing)}")
    return lines
