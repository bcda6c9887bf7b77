"""A guest's own firewall: MPI and the share need it open, and an image may bring one."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import CommandError
from farswitch.firewall.guest import check_guest, observe
from farswitch.guests.observed import ObservedGuest


def guest_firewall(task: Task, *, have: ObservedGuest | None = None) -> Result:
    """Make sure that a guest filters nothing, as far as its programs show; verify asks for all.

    Args:
        task: Nornir's task on a guest.
        have: The guest as it was observed before; None reads its rules.

    Returns:
        `result` is the `GuestRules` that were read; nothing is ever changed.

    Raises:
        CommandError: Its rules could not be read.
        GuestFirewallError: A chain drops by policy or has a rule.
    """
    rules = have.rules if have else observe(shell(task))
    if isinstance(rules, CommandError):
        raise rules
    check_guest(task.host.name, rules)
    return Result(host=task.host, result=rules, count=0)
