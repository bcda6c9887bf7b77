"""The serial console of a guest: `python -m workflows.console`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from farswitch.connections.access import libvirt, shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.guests.boot_plan import observe
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.run.become import become
from farswitch.run.cli import Options, interactive, main
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.session import Session
from farswitch.run.ssh_config import save, server_alias
from workflows.lab_up import check_lab

INSTALL = "Install it: apt install libvirt-clients (Debian, Ubuntu), dnf install libvirt-client"
ROOT = ("sudo", "-k", "-n", "--")


def domain_of(session: Session, guest: Guest) -> str:
    """Return the uuid of the domain that is the guest's by its mark, and runs.

    Raises:
        ForeignObjectError: A domain has the guest's name and not our mark.
        FarswitchError: It does not run, or its hypervisor has no virsh.
    """
    host = session.nornir.inventory.hosts[guest.hypervisor]
    have = observe(libvirt(host), guest)
    if have is None or not have.state.active:
        state = "missing" if have is None else have.state.state
        raise FarswitchError(
            f"Guest '{guest.name}' is {state}: it has no console.", hint="farswitch start"
        )
    if shell(host).run(["sh", "-c", "command -v virsh"], check=False).status != 0:
        raise FarswitchError(f"'{guest.hypervisor}' has no program 'virsh'.", hint=INSTALL)
    return have.state.uuid


def console_command(cluster: Cluster, guest: Guest, uuid: str, configuration: Path) -> list[str]:
    """Return the program that shows the console of the domain with that uuid."""
    server = cluster.server(guest.hypervisor)
    rights: Sequence[str] = ROOT if server.sudo else ()
    if server.local:
        rights = ROOT if os.geteuid() else ()
    virsh = [*rights, "env", "virsh", "-c", "qemu:///system", "console", uuid]
    if server.local:
        return virsh
    alias = server_alias(cluster, server.name)
    return ["ssh", "-F", str(configuration), "-t", "-e", "none", "--", alias, shlex.join(virsh)]


@main("console")
def run(options: Options, guest: str) -> int:
    """Look whose domain it is, and become what shows its console."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "The console needs a terminal, for its input and its output.",
            hint="What it has printed so far: the log that docs/usage.md names",
        )
    with Session("console", options, quiet=True) as session:
        check_lab(session)
        session.read_record()
        record = session.built_record
        wanted = session.guest(guest)
        path = save(session.cluster, record)
        argv = console_command(session.cluster, wanted, domain_of(session, wanted), path)
    echo(f"Console of '{guest}' on '{wanted.hypervisor}'. Leave it: Ctrl and ] (^])", err=True)
    become(argv, hint="Install OpenSSH's client, or sudo and virsh on a server of this machine.")


@click.command(cls=Command)
@click.argument("guest")
@interactive
def command(*, guest: str, **options: Any) -> None:
    """Show the serial console of a guest, and type into it; ^] leaves it."""
    run(Options(**options), guest=guest)


if __name__ == "__main__":
    command(prog_name="python -m workflows.console")
