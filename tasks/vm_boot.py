"""A guest's virtual machine: its disk, seed and domain, and its boot, waited for in named steps."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.guests.boot import Boot
from farswitch.guests.boot_plan import (
    DOOMED,
    Action,
    ObservedDomain,
    apply,
    disk_error,
    is_damaged,
    observe,
    plan,
    runs_on,
)
from farswitch.guests.config import GuestConfig
from farswitch.guests.domain import Hardware
from farswitch.guests.pins import read_pins, wanted_pins
from farswitch.guests.remove import removal_of, remove
from farswitch.guests.restart import bring_up, write_out
from farswitch.guests.wait_ready import BootError
from farswitch.model.machines import Guest


def vm_boot(
    task: Task,
    guest: Guest,
    hypervisor: Host,
    hardware: Hardware,
    config: GuestConfig | None = None,
    *,
    turns: AbstractContextManager[object] | None = None,
    plugged: bool = True,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge one guest to a running virtual machine that answers.

    A guest that was ready once and does not answer is asked to reboot, then restarted with all its
    keys and settings written again; its disk stays. One without its tap is started anew.

    Args:
        task: Runs on a guest.
        guest: Its addresses, NICs and size.
        hypervisor: The Nornir host of the server that runs it.
        hardware: Accelerator, MTU and image of a new domain.
        config: Names, keys, share and MPI, for the seed; a dry run needs none.
        turns: What is held while the guest boots, as a semaphore that it has with others: not all
            boot at once then. Its boot's time begins with its turn.
        plugged: Whether both taps are there; QEMU makes one that was removed at its start alone.
        present: False removes the guest with its disk, seed and logs.
        dry_run: True only reports. None: as the run says.

    Returns:
        A result whose `result` has the seconds of each step of the boot, by its name; in a dry run
        it is the actions that a boot would take.

    Raises:
        BootError: A step did not come within its deadline; it has the console's last lines.
        ForeignObjectError: A domain has the guest's name and not our mark.
        FarswitchError: The guest runs on a disk that was removed by hand, or its disk is gone with
            its mark.
    """
    libvirtd, server = libvirt(hypervisor), shell(hypervisor)
    have = observe(libvirtd, guest)
    if not present:
        return _remove(task, libvirtd, server, guest, dry=task.is_dry_run(dry_run))
    if have is not None and have.mark.state not in DOOMED:  # its disk lies on that image
        hardware = dataclasses.replace(hardware, image=hardware.image.named(have.mark.image))
    boot = Boot(libvirtd, server, guest, config, hardware)
    definition = boot.definition(have.mark if have else None)
    disk_gone = have is not None and boot.disk_is_gone(have.mark)
    if have is not None and disk_gone and have.mark.state not in DOOMED:
        if have.state.active:
            raise disk_error(boot, have.mark)
        boot.check_mark_of_disk(have.mark)
    pinned = have is None or read_pins(have.state.xml) == wanted_pins(guest)
    actions = plan(have, definition, plugged=plugged, disk_gone=disk_gone, pinned=pinned)
    done: list[str] = []
    if not task.is_dry_run(dry_run):
        if "replug" in actions:
            write_out(task, ask=True)
        done = _bring_up(task, boot, actions, have, turns or contextlib.nullcontext())
    count = len(actions) + len(done)
    diff = "\n".join(f"{_sign(action)} domain {guest.domain} ({action})" for action in actions)
    result = tuple(actions) if task.is_dry_run(dry_run) else boot.took
    return Result(
        host=task.host, changed=bool(count), diff=diff, result=result, count=count, notes=done
    )


def _sign(action: Action) -> str:
    return "+" if action == "create" else "~"


def _withdraw_seed(boot: Boot) -> None:
    """Remove the seed of a boot that failed, where that can be done; it holds a host key."""
    with contextlib.suppress(FarswitchError):  # else the cause of the failure gets lost
        have = observe(boot.hypervisor, boot.guest)
        if have is not None:
            boot.withdraw_seed(have.mark)


def _bring_up(
    task: Task,
    boot: Boot,
    actions: Sequence[Action],
    have: ObservedDomain | None,
    turns: AbstractContextManager[object],
) -> list[str]:
    """Do what the plan says, wait until the guest is ready, and return what else was done to it."""
    try:
        with contextlib.ExitStack() as booting:
            if not runs_on(actions):
                with boot.timed("turn"):
                    booting.enter_context(turns)
            with boot.timed("start"):
                mark = apply(boot, actions, have)
            mark, done = bring_up(task, boot, mark, actions)
    except LibvirtError as error:
        if have and is_damaged(boot.server, boot.disk(have.mark)):
            boot.fail(have.mark, damaged=True)
        _withdraw_seed(boot)
        raise BootError(boot.guest, "start", str(error), boot.console()) from error
    except FarswitchError:
        _withdraw_seed(boot)
        raise
    boot.settle(mark)
    return done


def _remove(task: Task, libvirtd: Hypervisor, server: Shell, guest: Guest, *, dry: bool) -> Result:
    settings = guest.settings
    removal = removal_of(
        libvirtd,
        server,
        settings.cluster,
        settings.pool,
        lambda name: name == guest.name,
        path=settings.pool_path,
    )
    if not dry:
        remove(libvirtd, server, removal)
    gone = removal.lines
    return Result(host=task.host, changed=bool(gone), diff="\n".join(gone), count=len(gone))
