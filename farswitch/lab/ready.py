"""Whether a member answers as a server does: a real login, libvirt and Open vSwitch."""

from __future__ import annotations

from pathlib import Path

from farswitch.lab.addresses import Lab, Member
from farswitch.lab.container import execute
from farswitch.lab.run import ProgramError, run

_ATTEMPT = 10.0
"""Seconds for one login, key exchange on a busy machine included."""


def ssh_argv(lab: Lab, member: Member) -> list[str]:
    """Return the ssh command for a login with the lab's key; nothing of the user's is read."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "GlobalKnownHostsFile": "none",
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(lab.known_hosts),
    }
    pairs = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", "-i", str(lab.key), *pairs, f"root@{lab.address(member).ip}"]


def logs_in(lab: Lab, member: Member) -> bool:
    """Return whether a login over the control subnet works."""
    return _succeeds([*ssh_argv(lab, member), "true"])


def runs_openvswitch(pid: int) -> bool:
    """Return whether the Open vSwitch of a member, known by its first process, answers.

    One that was booted without, as before it was installed here, is as ready as it gets.
    """
    if not Path("/proc", str(pid), "root/run/openvswitch").is_dir():
        return True
    try:
        execute(pid, ["ovs-appctl", "-T", "5", "version"], timeout=_ATTEMPT)
    except ProgramError:
        return False
    return True


def runs_libvirt(pid: int) -> bool:
    """Return whether the libvirt inside a member, known by its first process, answers."""
    try:
        execute(pid, ["virsh", "-c", "qemu:///system", "list"], timeout=_ATTEMPT)
    except ProgramError:
        return False
    return True


def _succeeds(argv: list[str]) -> bool:
    try:
        run(argv, timeout=_ATTEMPT)
    except ProgramError:
        return False
    return True
