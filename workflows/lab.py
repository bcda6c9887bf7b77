"""The lab on the command line: `python -m workflows.lab up|down|restart|status`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from typing import Any, ParamSpec

import click

from farswitch.errors import ConfigError, FarswitchError
from farswitch.lab import control
from farswitch.lab.addresses import CONTROL_SUBNET, DEFAULT_NAME, UNDERLAY_SUBNET, Lab
from farswitch.lab.status import LabStatus
from farswitch.model.field_types import A_NETWORK, parse_network
from farswitch.model.node_names import shown
from farswitch.run.command import Group
from farswitch.run.echo import echo

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class LabReport:
    """What a command reports: to programs, and to people."""

    document: dict[str, Any]
    lines: list[str]
    ok: bool = True


def _options(function: Callable[P, None]) -> Callable[P, None]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("--underlay", default=str(UNDERLAY_SUBNET), show_default=True,
                     help="Subnet between the servers."),
        click.option("--control", default=str(CONTROL_SUBNET), show_default=True,
                     help="Subnet between this machine and the servers."),
        click.option("--name", default=DEFAULT_NAME, show_default=True,
                     help="Name of the lab: two labs differ in it and in their control subnet."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.group(cls=Group)
def command() -> None:
    """Two stand-in servers on this machine: server1 with libvirt, server2 for the switch."""


@command.command()
@_options
def up(*, as_json: bool, **settings: str) -> None:
    """Raise the lab; a second time: repair what is missing, else change nothing."""

    def act(lab: Lab) -> LabReport:
        changes = control.up(lab)
        return LabReport(
            {"changed": len(changes), "changes": list(changes)},
            [*changes, f"Lab '{lab.name}' is up ({len(changes)} changed)."],
        )

    sys.exit(_run("up", act, settings, as_json=as_json))


@command.command()
@_options
def down(*, as_json: bool, **settings: str) -> None:
    """End the lab and remove all of it."""

    def act(lab: Lab) -> LabReport:
        was = control.down(lab)
        return LabReport(
            {"changed": int(was)},
            [f"Lab '{lab.name}' is gone." if was else f"There was no lab '{lab.name}'."],
        )

    sys.exit(_run("down", act, settings, as_json=as_json))


@command.command()
@click.argument("server")
@_options
def restart(server: str, *, as_json: bool, **settings: str) -> None:
    """Switch a server off and on, as a power cut would: its disk is all that it keeps."""

    def act(lab: Lab) -> LabReport:
        control.restart(server, lab)
        return LabReport(
            {"changed": 1}, [f"'{server}' of lab '{lab.name}' was switched off and on."]
        )

    sys.exit(_run("restart", act, settings, as_json=as_json))


@command.command()
@_options
def status(*, as_json: bool, **settings: str) -> None:
    """Print what is up; exit code 1 when not everything is."""

    def act(lab: Lab) -> LabReport:
        have = control.status(lab)
        return LabReport({"status": asdict(have)}, list(_table(have)), ok=have.up)

    sys.exit(_run("status", act, settings, as_json=as_json))


def _run(
    name: str, act: Callable[[Lab], LabReport], settings: dict[str, str], *, as_json: bool
) -> int:
    begun = time.monotonic()
    try:
        report = act(_lab(**settings))
        code = 0 if report.ok else 1
    except (FarswitchError, OSError) as failure:
        error = failure if isinstance(failure, FarswitchError) else FarswitchError(str(failure))
        code = 2 if isinstance(error, ConfigError) else 1
        lines = [str(error), *([error.hint] if error.hint else [])]
        report = LabReport({"error": str(error), "hint": error.hint}, lines, ok=False)
    if as_json:
        took = round(time.monotonic() - begun, 2)
        head = {"workflow": f"lab {name}", "lab": settings["name"], "ok": report.ok}
        echo(json.dumps({**head, "seconds": took, **report.document}))
    if not as_json or "error" in report.document:
        echo("\n".join(report.lines), err=as_json or code != 0)
    return code


def _lab(name: str, control: str, underlay: str) -> Lab:
    return Lab(name, _subnet("--control", control), _subnet("--underlay", underlay))


def _subnet(option: str, text: str) -> IPv4Network:
    try:
        return parse_network(text)
    except ValueError as error:
        raise ConfigError(f"{option} is {shown(text)}, wanted {A_NETWORK}.") from error


def _table(have: LabStatus) -> Iterator[str]:
    where = f"{have.controller} on '{have.name}'"
    yield f"controller  {where if have.connected else 'not connected'}"
    for member in have.members:
        if member.pid is None:
            yield f"{member.name:10}  down"
            continue
        parts = [f"pid {member.pid}", f"ssh {_word(member.ssh)}"]
        if member.libvirt is not None:
            parts.append(f"libvirt {_word(member.libvirt)}")
        yield f"{member.name:10}  {member.address} (underlay {member.underlay}): {', '.join(parts)}"


def _word(answers: bool) -> str:  # noqa: FBT001 (its only use is in a table)
    return "answers" if answers else "does not answer"


if __name__ == "__main__":
    command(prog_name="python -m workflows.lab")
