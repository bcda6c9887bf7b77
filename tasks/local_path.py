"""The guests' data taps on one bridge of their hypervisor: a local path, past the switch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink, shell
from farswitch.connections.netlink.batch import batched
from farswitch.connections.netlink.edit_links import set_master
from farswitch.connections.netlink.links import dump
from farswitch.errors import FarswitchError
from farswitch.links.apply import index_of
from farswitch.model.owner import Owner
from farswitch.rollback import timer as rollback

SECONDS = 900
"""After which the server gives the taps back to their own bridges by itself."""


def local_path(
    task: Task,
    taps: Mapping[str, str],
    bridge: str,
    owner: Owner,
    *,
    seconds: int = SECONDS,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Join the taps of all guests on a bridge, or give each back to its own.

    The bridge must be there, and the guard hold for it. A timer on the server gives the taps back
    by itself, and ends the bridge: nothing is left of a run that was cut off.

    Args:
        task: The Nornir task of the hypervisor.
        taps: By tap: the bridge that it is a port of otherwise.
        bridge: The one for all.
        owner: Whose taps they are.
        seconds: When the server gives them back by itself.
        present: False: give them back now.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is False where the server has given them back by itself: what was
        measured until now was not all of it local.

    Raises:
        FarswitchError: A guest is off, or a bridge is missing.
    """
    with netlink(task).session() as ipr:
        links = {link.name: link for link in dump(ipr)}
        if missing := [tap for tap in taps if tap not in links]:
            raise FarswitchError(
                f"There is no tap {', '.join(missing)} on '{task.host.name}': its guest is off.",
                hint="Start the guests: farswitch start",
            )
        want = {tap: bridge if present else own for tap, own in taps.items()}
        moved = {tap: to for tap, to in want.items() if links[tap].master != to}
        lines = [f"~ tap {tap} bridge {links[tap].master} -> {to}" for tap, to in moved.items()]
        held, dry = True, task.is_dry_run(dry_run)
        name = rollback.name_of(rollback.LOCAL, owner.cluster)
        if not dry and present:
            rollback.start(shell(task), name, _undo(taps, bridge), seconds)
        if not dry:
            index = {link.name: link.index for link in links.values()}
            with batched(ipr) as edits:
                for tap, to in moved.items():
                    set_master(edits, tap, index_of(index, to, tap))
        if not dry and not present:
            held = rollback.confirm_all(shell(task), name)
    diff = "\n".join(lines)
    return Result(task.host, result=held, changed=bool(lines), diff=diff, count=len(lines))


def _undo(taps: Mapping[str, str], bridge: str) -> str:
    lines = [f"link set dev {tap} master {own}" for tap, own in taps.items()]
    back = f"printf '%s\\n' {shlex.join(lines)} | ip -force -batch -"
    return f"{back}; ip link del dev {shlex.quote(bridge)}"
