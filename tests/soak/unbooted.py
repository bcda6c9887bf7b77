"""A build whose guests stand still: `python unbooted.py` with the options of the build.

All is done as ever, disks, seeds, domains and their taps included; but libvirt starts each guest
paused, and nobody waits for its boot or configures it. So a build takes seconds without KVM.
SOAK_SILENCE in its environment are the seconds after which a server lets go of its lock.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import click
import libvirt

from farswitch.connections.libvirt import domains
from farswitch.lock.locks import Locks
from farswitch.run.cli import Options, shared
from farswitch.run.session import Session
from farswitch.run.stages import Stage
from tasks import vm_boot
from workflows import build

_state = domains._state


def start(self: domains.Domains, name: str) -> bool:
    with domains.errors_named(self.host, f"domain '{name}'"):
        domain = self.connection().lookupByName(name)
        if domain.isActive():
            return False
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        return True


def as_if_running(domain: Any) -> domains.DomainState | None:
    found = _state(domain)
    paused = found is not None and found.state == "paused"
    return dataclasses.replace(found, state="running") if found and paused else found


def without_logins(session: Session) -> Iterator[Stage]:
    for stage in build.stages(session):
        names = [step.name for step in stage.steps]
        if "vm_boot" in names:
            yield dataclasses.replace(stage, steps=stage.steps[:1])
            return
        yield stage


@click.command()
@shared
def command(**options: Any) -> None:
    build.build(Options(**options), stages=without_logins)


def main() -> None:
    domains.Domains.start = start
    domains._state = as_if_running
    vm_boot.bring_up = lambda _task, _boot, mark, _actions: (mark, [])
    vm_boot.write_out = lambda _task, **_: None
    if silence := os.environ.get("SOAK_SILENCE"):
        Locks.__init__.__kwdefaults__["silence"] = float(silence)
    command()


if __name__ == "__main__":
    main()
