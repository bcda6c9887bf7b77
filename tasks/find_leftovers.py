"""What farswitch has on a server, of whatever cluster: found by its marks."""

from __future__ import annotations

from dataclasses import replace

from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.connections.netlink.links import dump
from farswitch.leftovers.find import find
from farswitch.leftovers.observe import first_vnis, observe, times_of
from farswitch.model.switch import switch_leftovers
from farswitch.state.document import NewerDocumentError
from farswitch.state.record import read_all


def find_leftovers(task: Task) -> Result:
    """Find all that bears our mark on one server; changes nothing.

    Args:
        task: Runs on a server.

    Returns:
        A result whose `result` is the server's `Leftovers`.

    Raises:
        FarswitchError: libvirt does not run, and the server has definitions of our domains.
    """
    shell = access.shell(task)
    with access.netlink(task).session() as ipr:
        links = dump(ipr)
    records = read_all(shell)
    observed = observe(shell, links, records, lambda: access.libvirt(task))
    observed = replace(observed, switches=switch_leftovers(task.host))
    times, bases = times_of(shell, observed), first_vnis(records)
    found = find(observed, times, bases, server=task.host.name)
    newer = {name: one for name, one in records.items() if isinstance(one, NewerDocumentError)}
    return Result(host=task.host, result=replace(found, newer=newer))
