"""Raising, ending and describing a lab."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator

from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lab import bridges, container, folders, keys, ready, subnets, veth
from farswitch.lab.addresses import Lab, Member
from farswitch.lab.filesystems import is_lasting
from farswitch.lab.run import PATH
from farswitch.lab.status import LabStatus, observe

UP_SECONDS = 120.0
PROGRAMS = ("ip", "nsenter", "pivot_root", "ssh", "ssh-keygen", "sysctl", "unshare", "virsh",
            "iptables-nft-restore", "ip6tables-nft-restore",
            "/usr/sbin/sshd", "/usr/sbin/libvirtd", "/usr/sbin/virtlogd")  # fmt: skip


def up(lab: Lab | None = None, *, seconds: float = UP_SECONDS) -> tuple[str, ...]:
    """Raise a lab, or repair one of which something is missing.

    It is the default site's lab where none is given, and may take so many seconds in all.

    Returns:
        One sentence for each thing that was made; empty when everything stood.

    Raises:
        ConfigError: Not root, a program is missing, or the machine uses one of the subnets.
        ForeignObjectError: A folder or interface of somebody else has the lab's name.
        DeadlineError: A member did not get ready.
    """
    lab = lab or Lab()
    deadline = Deadline(seconds)
    _check_privilege()
    _check_programs()
    with _locked(lab, deadline):
        subnets.check(lab, subnets.observe())
        changes = _make_base(lab)
        for member in lab.members:
            changes += _raise_member(lab, member, deadline)
        for member in lab.members:
            _await(lab, member, deadline)
    return tuple(changes)


def stands(lab: Lab) -> bool:
    """Return whether the servers of a lab run and are connected; none of them is asked."""
    found = container.find(lab)
    return veth.connected(lab) and all(member.name in found for member in lab.members)


def restart(name: str, lab: Lab | None = None, *, seconds: float = UP_SECONDS) -> None:
    """Switch a member of a lab that is up off and on: its disk is all that it keeps.

    Raises:
        ConfigError: There is no such member.
        FarswitchError: It does not run, or its disk is in memory and would be gone.
        DeadlineError: It did not get ready in so many seconds.
    """
    lab = lab or Lab()
    _check_privilege()
    member = next((member for member in lab.members if member.name == name), None)
    if member is None:
        names = ", ".join(member.name for member in lab.members)
        raise ConfigError(f"Lab '{lab.name}' has no server '{name}', it has {names}.")
    deadline = Deadline(seconds)
    with _locked(lab, deadline):
        if name not in container.find(lab, name):
            raise FarswitchError(
                f"'{name}' of lab '{lab.name}' does not run.",
                hint="Raise it: farswitch lab up",
            )
        if not is_lasting(lab.storage(member)):
            raise FarswitchError(
                f"The disk of '{name}' is in memory: a restart would empty it.",
                hint="The file system below /var/lib cannot be an overlay's upper layer.",
            )
        container.kill(lab, name)
        _raise_member(lab, member, deadline)
        _await(lab, member, deadline)


def down(lab: Lab | None = None, *, seconds: float = UP_SECONDS) -> bool:
    """End a lab and remove all of it, however much there is; return whether there was anything.

    Another `up` or `down` of it is waited for, so many seconds.
    """
    lab = lab or Lab()
    _check_privilege()
    with _locked(lab, Deadline(seconds)):
        found = container.find(lab)
        ended = [container.kill(lab, name) for name in found]
        unlinked = veth.remove_controller(lab)
        unwired = bridges.remove(lab)
        removed = [folders.remove(folder) for folder in (lab.run, lab.state)]
        container.await_reaping(found.values())
    return any((*ended, unlinked, unwired, *removed))


def status(lab: Lab | None = None) -> LabStatus:
    """Look at a lab; every member is asked, which takes a login each."""
    lab = lab or Lab()
    _check_privilege()
    return observe(lab)


def _make_base(lab: Lab) -> list[str]:
    changes = [
        f"Folder '{folder}' made." for folder in (lab.state, lab.run) if folders.claim(folder)
    ]
    if keys.make(lab):
        changes.append("Keys made.")
    if bridges.ensure(lab):
        changes.append("Bridges made.")
    if veth.ensure_controller(lab):
        changes.append(f"Controller connected by interface '{lab.link}'.")
    return changes


def _raise_member(lab: Lab, member: Member, deadline: Deadline) -> list[str]:
    changes: list[str] = []
    pid = container.find(lab, member.name).get(member.name)
    if pid is None:
        container.start(lab, member, deadline)
        changes.append(f"'{member.name}' booted.")
        pid = container.find(lab, member.name)[member.name]
    if veth.ensure_member(lab, member, pid):
        changes.append(f"'{member.name}' connected.")
    return changes


def _await(lab: Lab, member: Member, deadline: Deadline) -> None:
    pid = container.find(lab, member.name).get(member.name, 0)
    try:
        wait_until(
            lambda: ready.logs_in(lab, member),
            deadline,
            what=f"The ssh login of '{member.name}'",
        )
        probe, program = (
            (ready.runs_libvirt, "libvirt")
            if member.hypervisor
            else (ready.runs_openvswitch, "Open vSwitch")
        )
        wait_until(lambda: probe(pid), deadline, what=f"{program} on '{member.name}'")
    except DeadlineError as error:
        error.hint = f"{lab.log(member)} ends with:\n{container.log_tail(lab, member)}"
        raise


def _check_privilege() -> None:
    if os.geteuid() != 0:
        raise ConfigError(
            "The lab is made of namespaces and mounts, which only root may make.",
            hint="Run it as root, or through sudo.",
        )


def _check_programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        raise ConfigError(
            f"The lab needs programs that this machine does not have: {', '.join(missing)}.",
            hint="farswitch/lab/install.sh installs them on Debian and Ubuntu.",
        )


@contextlib.contextmanager
def _locked(lab: Lab, deadline: Deadline) -> Iterator[None]:
    """Let one `up` or `down` of a lab run at a time, by a lock that no crash leaves behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:

        def bound() -> bool:
            try:
                lock.bind(f"\0{lab.name}")  # in the abstract namespace: no file
            except OSError:
                return False
            return True

        wait_until(bound, deadline, what=f"The end of another run on lab '{lab.name}'")
        yield
