"""What brings a guest to a running domain of the wanted definition."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.guests.boot import Boot
from farswitch.guests.domain import Mark, read_mark
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings

DOOMED = frozenset({"new", "failed"})
"""States of a guest that gets a new disk, of the image that the site names now."""

Action = Literal["create", "replace", "start", "restart", "redefine", "replug"]
_NEW = frozenset({"create", "replace"})
_STARTS = _NEW | {"start", "restart", "replug"}
"""After these a guest boots."""


PER_PROCESSOR = 2
"""Guests that boot at once, for each processor of their hypervisor: at least one for each was
faster than fewer, and more take no less time, but each takes longer (docs/performance.md)."""


def boots_at_once(settings: Settings, processors: int) -> int:
    """Return how many guests of a hypervisor with so many processors boot at once, at most."""
    return settings.boots_at_once or PER_PROCESSOR * max(1, processors)


@dataclass(frozen=True, slots=True)
class ObservedDomain:
    """What libvirt knows of a guest: the domain's state and our mark in it."""

    state: DomainState
    mark: Mark


def observe(hypervisor: Hypervisor, guest: Guest) -> ObservedDomain | None:
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
    return ObservedDomain(state, mark)


def plan(
    have: ObservedDomain | None,
    definition: str,
    *,
    plugged: bool = True,
    disk_gone: bool = False,
    pinned: bool = True,
) -> list[Action]:
    """Return what brings the guest to a running domain whose definition has the wanted digest.

    `plugged`: both taps are there; QEMU makes one that was removed at its start alone. `disk_gone`:
    its disk was removed. `pinned`: its definition still has the site's pins; others can be given to
    it beside our mark. A domain that was undefined while it ran is defined again.
    """
    if have is None:
        return ["create"]
    if have.mark.state in DOOMED or disk_gone:
        return ["replace"]
    actions: list[Action] = []
    if have.mark.definition != definition or not have.state.persistent or not pinned:
        actions.append("redefine")
    if have.state.state != "running":
        actions.append("start")
    elif have.mark.state == "stuck":
        actions.append("restart")
    elif not plugged:
        actions.append("replug")
    return actions


def runs_on(actions: Collection[Action]) -> bool:
    """Whether a guest runs while its plan is carried out."""
    return _STARTS.isdisjoint(actions)


def begins_anew(actions: Collection[Action]) -> bool:
    """Whether a guest gets a new disk, which its seed alone configures."""
    return not _NEW.isdisjoint(actions)


def disk_error(boot: Boot, mark: Mark) -> FarswitchError:
    """Return the error of a guest that runs on a disk without a name: it ends with the guest."""
    guest, server = boot.guest, boot.guest.hypervisor
    return FarswitchError(
        f"The disk of guest '{guest.name}', {boot.disk(mark)} on '{server}', was removed while "
        "the guest runs on it.",
        hint=(
            "Copy what you need out of the guest: its disk ends with it. Then, for a new one, on "
            f"'{server}': virsh destroy {guest.domain}. Then: farswitch build"
        ),
    )


def is_damaged(login: Shell, disk: str) -> bool:
    """Return whether a guest's disk is none any more for QEMU; `-U` reads one in use too."""
    return login.run(["qemu-img", "info", "-U", "-f", "qcow2", disk], check=False).status == 1


def apply(boot: Boot, actions: Sequence[Action], have: ObservedDomain | None) -> Mark:
    """Do what the plan says and return the domain's mark afterwards."""
    mark = have.mark if have else None
    for action in actions:
        if action in {"create", "replace"}:
            mark = boot.create(mark, boot.seed())
        elif mark is None:  # the plan creates where there is none
            raise AssertionError(action)
        elif action == "redefine":
            boot.define(mark)
        elif action == "restart":
            mark = boot.restart(mark, boot.seed(renewed=True))
        else:
            boot.start()
    if mark is None:
        raise AssertionError(actions)
    return mark
