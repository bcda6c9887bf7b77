"""A guest's own firewall: MPI and the share need it open, and an image may bring one."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.firewall.guest import check_guest


def guest_firewall(task: Task) -> Result:
    """Make sure that a guest filters nothing, as far as its programs show; verify asks for all.

    Args:
        task: Nornir's task on a guest.

    Returns:
        `result` is the `GuestRules` that were read; nothing is ever changed.

    Raises:
        GuestFirewallError: A chain drops by policy or has a rule.
    """
    return Result(host=task.host, result=check_guest(shell(task)), count=0)
