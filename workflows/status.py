"""What stands, guest by guest, and what crosses the switch: `python -m workflows.status`."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live

from farswitch.model.machines import Guest
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.locking import note_holder
from farswitch.run.plan import plan_of
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.print_status import Counters, document, guests_table, hops_table
from farswitch.run.progress import can_draw_anew
from farswitch.run.report import Report
from farswitch.run.session import Session
from farswitch.run.stages import servers
from farswitch.run.terminal import shown
from farswitch.status.guests import guest_statuses
from farswitch.status.path import hops
from workflows.build import servers_stage
from workflows.impaired import impaired
from workflows.impaired import lines as impaired_lines
from workflows.lab_up import ensure_lab
from workflows.look import look

Before = Mapping[str, Counters]
"""What was counted at the look before, by guest, or by server and interface."""


@dataclass(frozen=True, slots=True)
class StatusExtent:
    """What is shown, and how often: `interval` in seconds."""

    guest: str = ""
    watch: bool = False
    interval: float = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """One look, for people and for programs; the rates of the next need what was `counted`."""

    table: RenderableType
    document: dict[str, Any]
    counted: Before


def drift(session: Session) -> dict[str, list[str]]:
    """Return what a build would change on each server that answered, in its own words."""
    session.run([servers_stage(session, session.built_record.mtu, looked="status")])
    names = [host.name for host in session.hosts(servers)]
    plan = plan_of(session.recorder.diffs)
    return {
        name: [str(line) for line in plan if line.host == name]
        for name in names
        if ("mtu_servers", name) in session.recorder.results
    }


def show_guests(session: Session, before: Before, width: int) -> Shown:
    """Return all guests as they stand."""
    statuses = guest_statuses(session.cluster, look(session))
    return Shown(
        guests_table(statuses, before, width=width),
        {"guests": [document(one, before.get(one.name)) for one in statuses]},
        {one.name: one for one in statuses},
    )


def show_path(session: Session, guest: Guest, before: Before) -> Shown:
    """Return the way of one guest's frames as it stands."""
    way = tuple(hops(session.cluster, guest, look(session)))
    named = {f"{hop.server} {hop.name}": hop for hop in way}
    return Shown(
        hops_table(way, before),
        {"guest": guest.name,
         "hops": [document(hop, before.get(name)) for name, hop in named.items()]},
        named,
    )  # fmt: skip


@main("status")
def run(options: Options, extent: StatusExtent) -> int:
    """Look and show, once or until Ctrl-C."""
    options = dataclasses.replace(options, dry_run=True)
    with Session("status", options, quiet=True) as session:
        ensure_lab(session)
        session.read_record()
        _ = session.built_record
        note_holder(session, session.cluster.name, session.head_host)
        guest = session.guest(extent.guest) if extent.guest else None
        console = console_for(as_json=options.json)

        def view(before: Before) -> Shown:
            if guest is not None:
                return show_path(session, guest, before)
            return show_guests(session, before, console.width)

        if extent.watch:
            _watch(session, view, console, extent.interval)
        return _once(session, view, console)


def _once(session: Session, view: Callable[[Before], Shown], console: Console) -> int:
    """Show one look, and what a build would change on the servers."""
    now = view({})
    console.print(now.table, soft_wrap=False)
    pending = drift(session)
    for server, lines in pending.items():
        word = f"{len(lines)} changes pending; a build makes them:" if lines else "as built"
        console.print(shown(f"{server}: {word}", style="yellow" if lines else ""))
        for line in lines:
            console.print(shown(f"  {line}"))
    ports = impaired(session)
    for line, style in impaired_lines(ports):
        console.print(shown(line, style=style))
    report = session.report()
    for note in report.notes:
        console.print(shown(note))
    failures_on(console, report)
    if session.options.json:
        found = {
            "servers": [{"name": name, "drift": lines} for name, lines in pending.items()],
            "impairments": ports,
        }
        echo(json.dumps(report.document() | now.document | found, indent=1))
    return report.exit_code


def _watch(
    session: Session, view: Callable[[Before], Shown], console: Console, interval: float
) -> None:
    """Show looks, with the rates between them, until somebody ends it."""
    before: Before = {}
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for _ in _ticks(interval):
            session.begin_anew()
            now = view(before)
            report = session.report()
            before = now.counted
            if session.options.json:
                line = {"cluster": report.cluster, "at": time.time(), **now.document}
                echo(json.dumps(line | {"failures": report.document()["failures"]}))
            elif can_draw_anew(console):
                live.update(Group(now.table, *_troubles(report)), refresh=True)
            else:
                console.print(now.table, *_troubles(report), soft_wrap=False)


def _ticks(interval: float) -> Iterator[None]:
    """Yield now, and every `interval` seconds after it, however long what is done then takes."""
    due = time.monotonic()
    while True:
        yield
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _troubles(report: Report) -> list[RenderableType]:
    return [shown(f"{one.host}: {one.error}", style="red") for one in report.failures]


@click.command(cls=Command)
@click.argument("guest", default="", required=False)
@click.option("--watch", is_flag=True, help="Look again and again, and show rates.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True,
              metavar="SECONDS", help="Between two looks of --watch.")  # fmt: skip
@read_only
def command(*, guest: str, watch: bool, interval: float, **options: Any) -> None:
    """Show what stands: each guest, its port of the switch, and what went through it.

    With GUEST, the way of its frames hop by hop. Nothing is changed.
    """
    run(Options(**options), extent=StatusExtent(guest, watch, interval))


if __name__ == "__main__":
    command(prog_name="python -m workflows.status")
