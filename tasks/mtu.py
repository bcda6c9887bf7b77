"""The MTU of the data network on every hop of a server, or on a guest's NIC."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.netlink.links import Link
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import CommandError
from farswitch.errors import FarswitchError
from farswitch.guests.observed import ObservedGuest
from farswitch.links.apply import converge
from farswitch.links.mtu import MtuChange, apply, missing, plan, unkept
from farswitch.model.links import MtuHop
from farswitch.model.machines import DATA_NIC


def mtu(
    task: Task,
    size: int,
    hops: Sequence[MtuHop] | None = None,
    *,
    have: Sequence[Link] | ObservedGuest | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Set the MTU of every hop of a server or a guest that has another, and read it back.

    Args:
        task: The Nornir task of a server or a guest.
        size: MTU of the data network, in bytes of IP packet.
        hops: The interfaces of a server; None: a guest, which has its data NIC alone.
        have: Every interface of the server, or the guest, as observed before; None looks.
        present: False: nothing to do; an MTU goes with its interface.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes.

    Raises:
        FarswitchError: A hop is missing, or does not take the MTU.
    """
    if not present:
        return Result(host=task.host, count=0)
    if hops is None or isinstance(have, ObservedGuest):
        found = have.mtu if isinstance(have, ObservedGuest) else None
        return _guest(task, shell(task), size, found, dry=task.is_dry_run(dry_run))
    if have is not None and missing(have, hops) and not task.is_dry_run(dry_run):
        have = None  # It may have been made since.
    planned = partial(plan, hops=hops, size=size)
    applied = partial(apply, hops=hops, server=task.host.name)
    return converge(task, planned, applied, have=have, dry_run=dry_run)


def _guest(task: Task, guest: Shell, size: int, found: int | None, *, dry: bool) -> Result:
    found = _guest_mtu(guest) if found is None else found
    change = MtuChange(DATA_NIC, found, size)
    if found == size:
        return Result(host=task.host, count=0)
    if not dry:
        try:
            guest.run(["ip", "link", "set", "dev", DATA_NIC, "mtu", str(size)])
        except CommandError as error:  # a virtio NIC takes no more than it was started with
            error.hint = f"Shut '{guest.host}' down and build again: it starts with a new NIC."
            raise
        if (kept := _guest_mtu(guest)) != size:
            raise unkept(guest.host, MtuChange(DATA_NIC, kept, size))
    return Result(host=task.host, changed=True, diff=str(change), count=1)


def _guest_mtu(guest: Shell) -> int:
    content = guest.read(f"/sys/class/net/{DATA_NIC}/mtu")
    if content is None:
        raise FarswitchError(
            f"Guest '{guest.host}' has no interface '{DATA_NIC}'.",
            hint=f"Look in its console why no NIC was named: virsh console {guest.host}.",
        )
    return int(content)
