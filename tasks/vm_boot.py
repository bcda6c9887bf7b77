"""A guest's virtual machine: its disk, seed and domain, and its boot, waited for in named steps."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.connections.libvirt.domains import DomainState, LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.guests.boot import Boot
from farswitch.guests.console import tail
from farswitch.guests.domain import Hardware, Mark, read_mark
from farswitch.guests.restart import bring_up, word, write_out
from farswitch.guests.wait_ready import BootError
from farswitch.links.wanted import UNPLUGGED
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.site.nornir_data import guest_of, hypervisor_of
from farswitch.state.record import Record

DOOMED = frozenset({"new", "failed"})
"""States of a guest that gets a new disk, of the image that the site names now."""

Action = Literal["create", "replace", "start", "restart", "redefine", "replug"]


@dataclass(frozen=True, slots=True)
class Have:
    """What libvirt knows of a guest: the domain's state and our mark in it."""

    state: DomainState
    mark: Mark


def observe(hypervisor: Hypervisor, guest: Guest) -> Have | None:
    """Read the guest's domain.

    Raises:
        ForeignObjectError: A domain has the guest's name and not our mark.
    """
    state = hypervisor.domain(guest.domain)
    if state is None:
        return None
    mark = read_mark(state.xml)
    if mark is None or (mark.cluster, mark.guest) != (guest.settings.cluster, guest.name):
        raise ForeignObjectError("Domain", guest.domain, guest.hypervisor)
    return Have(state, mark)


def plan(have: Have | None, definition: str, *, plugged: bool = True) -> list[Action]:
    """Return what brings the guest to a running domain of the wanted definition.

    Args:
        have: The domain, or None.
        definition: The digest of the wanted definition.
        plugged: Whether both taps are there; QEMU makes one that was removed at its start alone.
    """
    if have is None:
        return ["create"]
    if have.mark.state in DOOMED:
        return ["replace"]
    actions: list[Action] = []
    if have.mark.definition != definition:
        actions.append("redefine")
    if have.state.state != "running":
        actions.append("start")
    elif have.mark.state == "stuck":
        actions.append("restart")
    elif not plugged:
        actions.append("replug")
    return actions


def is_damaged(login: Shell, disk: str) -> bool:
    """Return whether a guest's disk is none any more for QEMU; `-U` reads one in use too."""
    return login.run(["qemu-img", "info", "-U", "-f", "qcow2", disk], check=False).status == 1


def apply(boot: Boot, actions: Sequence[Action], have: Have | None, record: Record) -> Mark:
    """Do what the plan says and return the domain's mark afterwards."""
    mark = have.mark if have else None
    for action in actions:
        if action in {"create", "replace"}:
            mark = boot.create(mark, boot.seed(record))
        elif mark is None:  # the plan creates where there is none
            raise AssertionError(action)
        elif action == "redefine":
            boot.define(mark)
        elif action == "restart":
            mark = boot.restart(mark, boot.seed(record, again=word()))
        else:
            boot.start(record)
    if mark is None:
        raise AssertionError(actions)
    return mark


def _withdraw_seed(boot: Boot) -> None:
    """Remove the seed of a boot that failed, where that can be done; it holds a host key."""
    with contextlib.suppress(FarswitchError):  # else the cause of the failure gets lost
        have = observe(boot.hypervisor, boot.guest)
        if have is not None:
            boot.withdraw_seed(have.mark)


def vm_boot(
    task: Task,
    cluster: Cluster,
    record: Record,
    hardware: Hardware,
    *,
    dry_run: bool | None = None,
) -> Result:
    """Converge one guest to a running virtual machine that answers.

    A guest that was ready once and does not answer is asked to reboot, then restarted with all its
    keys and settings written again; its disk stays. One without its tap is started anew.

    Args:
        task: Runs on a guest.
        cluster: Whose guest it is.
        record: The cluster's keys, for the seed.
        hardware: Accelerator, MTU and image of a new domain.
        dry_run: Only tell.

    Raises:
        BootError: A step did not come within its deadline; it has the console's last lines.
        ForeignObjectError: A domain has the guest's name and not our mark.
    """
    guest, server = guest_of(task.host), hypervisor_of(task.host)
    hypervisor = libvirt(server)
    have = observe(hypervisor, guest)
    if have is not None and have.mark.state not in DOOMED:  # its disk lies on that image
        hardware = dataclasses.replace(hardware, image=hardware.image.named(have.mark.image))
    boot = Boot(hypervisor, cluster, guest, hardware)
    plugged = guest.name not in server.data.get(UNPLUGGED, ())
    actions = plan(have, boot.definition(have.mark if have else None), plugged=plugged)
    told: list[str] = []
    if not task.is_dry_run(dry_run):
        if "replug" in actions:
            write_out(task, ask=True)
        try:
            mark = apply(boot, actions, have, record)
            mark, told = bring_up(task, boot, mark, actions, record)
        except LibvirtError as error:
            login = shell(server)
            if have and is_damaged(login, f"{hardware.pool_path}/{have.mark.disk_volume}"):
                boot.fail(have.mark, damaged=True)
            _withdraw_seed(boot)
            raise BootError(guest, "start", str(error), tail(login, guest.domain)) from error
        except FarswitchError:
            _withdraw_seed(boot)
            raise
        boot.settle(mark)
    count = len(actions) + len(told)
    diff = "\n".join(f"+ {action} {guest.domain}" for action in actions)
    return Result(host=task.host, changed=bool(count), diff=diff, result=count, notes=told)
