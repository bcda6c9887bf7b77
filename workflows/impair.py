"""What ports do to frames on purpose: `python -m workflows.impair node3 --to-guest 'loss 1%'`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from farswitch.errors import ConfigError
from farswitch.impair.plan import PortWish
from farswitch.impair.timeline import ImpairmentTimeline, TimelineEntry
from farswitch.model.impairment import Impairment, impairment
from farswitch.model.machines import Guest
from farswitch.model.node_names import expand
from farswitch.model.timeline import TimelineFile
from farswitch.run.cli import Options, changing, main, read_only
from farswitch.run.command import Command, Group
from farswitch.run.echo import echo
from farswitch.run.locking import fenced, locked, note_holder
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.session import Session
from farswitch.run.stages import Stage, servers
from farswitch.run.terminal import shown
from farswitch.site.mistakes import Mistakes, explained
from farswitch.site.yaml_lines import read_document
from workflows.build import impair_step
from workflows.impaired import entries, impaired, lines
from workflows.lab_up import ensure_lab
from workflows.measured_port import measured_port


def guests_named(session: Session, text: str) -> list[Guest]:
    """Return the guests of a node set; all where it is empty.

    Raises:
        ConfigError: It is no node set, or the cluster lacks one of them.
    """
    if not text:
        return list(session.cluster.guests)
    return [session.guest(name) for name in expand(text)]


def read(option: str, words: str | None) -> Impairment | None:
    """Return what an option says.

    Raises:
        ConfigError: It cannot be meant.
    """
    try:
        return impairment(words)
    except ValueError as error:
        raise ConfigError(explained(Impairment, error, option)) from error


@main("impair")
def change(
    options: Options, nodes: str, wish: Callable[[], PortWish], *, measure: bool = False
) -> int:
    """Have the ports of some guests do what is wished, measure one of them, and report."""
    wanted = wish()
    with Session("impair", options) as session:
        ensure_lab(session)
        with locked(session):
            session.read_record()
            size, chosen = session.built_record.mtu, guests_named(session, nodes)
            wishes = {guest.name: wanted for guest in chosen}
            measured = measure and not options.dry_run and wanted.up is not False
            port = measured_port(session, chosen) if measured else None
            done = session.run(fenced(session, _stages(session, wishes, size)))
            if port and done:
                figures = port.figures(session)
                session.recorder.extras["measured"] = [asdict(one) for one in figures]
                for one in figures:
                    session.note(f"Measured between {port.guest.name} and {port.other.name}: {one}")
        if done:  # else of some servers nothing is known
            found = entries(session, "impair")
            session.recorder.extras["impairments"] = found
            for line, _ in lines(found):
                session.note(line)
        return session.finish()


def _stages(session: Session, wishes: dict[str, PortWish], size: int) -> Iterator[Stage]:
    yield Stage(servers, (impair_step(session, wishes, size),))


@main("impair-show")
def show(options: Options) -> int:
    """Look and show."""
    options = dataclasses.replace(options, dry_run=True)
    with Session("impair-show", options, quiet=True) as session:
        ensure_lab(session)
        session.read_record()
        _ = session.built_record
        note_holder(session, session.cluster.name, session.head_host)
        found = impaired(session)
        console, report = console_for(as_json=options.json), session.report()
        for line, style in lines(found) if found else (("No port does anything to frames.", ""),):
            console.print(shown(line, style=style))
        for note in report.notes:
            console.print(shown(note))
        failures_on(console, report)
        if options.json:
            echo(json.dumps(report.document() | {"impairments": found}, indent=1))
        return report.exit_code or int(any(one["fault"] for one in found))


def read_timeline(path: str) -> TimelineFile:
    """Return what a timeline's file says.

    Raises:
        ConfigError: What is wrong, with file and line.
    """
    document, mistakes = read_document(Path(path)), Mistakes()
    found = mistakes.validate(TimelineFile, document, document.data)
    mistakes.raise_any()
    assert found is not None  # noqa: S101 (`raise_any` has raised otherwise)
    return found


@main("impair-run")
def run_timeline(options: Options, file: str) -> int:
    """Carry out a timeline and report."""
    wanted = read_timeline(file)
    with Session("impair-run", options) as session:
        ensure_lab(session)
        with locked(session):
            session.read_record()
            timeline = ImpairmentTimeline(
                session.nornir.inventory.hosts,
                session.cluster,
                wanted.events,
                mtu=session.built_record.mtu,
                length=wanted.length,
                lab=session.site.lab is not None,
            )
            done = carried_out(timeline, session, dry_run=options.dry_run)
        session.recorder.extras["timeline"] = [asdict(one) for one in done]
        code = session.finish()
        return code or int(any(one.error for one in done))


def carried_out(
    timeline: ImpairmentTimeline, session: Session, *, dry_run: bool
) -> list[TimelineEntry]:
    """Carry out a timeline and note what was done when; in a dry run, what would be done when."""
    done: list[TimelineEntry] = []
    if dry_run:
        for step in timeline.foreseen():
            session.note(f"{step.at / 1e6:9.3f} s: {step}")
        return done
    with timeline:
        timeline.start()
        done = timeline.wait()
    for one in done:
        late = f"{one.at:9.3f} s: {one.step} ({one.server}, {1000 * (one.ended - one.at):+.1f} ms)"
        session.note(f"{late}{f': {one.error}' if one.error else ''}")
    return done


class ImpairGroup(Group):
    """A group whose command `set` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; what begins with no command is one of `set`."""
        if args and args[0] not in {*self.commands, "--help"} and not ctx.resilient_parsing:
            args = ["set", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ImpairGroup)
def command() -> None:
    """What ports do to frames on purpose: delay, loss, a rate, by direction, or be down.

    `farswitch impair node3 --to-guest 'delay 2ms loss 0.1%'` is `farswitch impair set node3 …`.
    """


@command.command(name="set", cls=Command)
@click.argument("guests")
@click.option("--to-guest", metavar="WORDS", help="What the guests get, as 'delay 2ms loss 1%'.")
@click.option("--from-guest", metavar="WORDS", help="What they send, as 'rate 100Mbit'.")
@click.option("--link", type=click.Choice(["down", "up"]), help="Take the ports down, or up.")
@click.option("--no-measure", is_flag=True, help="Do not measure the first port behind it.")
@changing
def set_command(
    *,
    guests: str,
    to_guest: str | None,
    from_guest: str | None,
    link: str | None,
    no_measure: bool,
    **options: Any,
) -> None:
    """Have the ports of GUESTS, a name or a node set, do something to frames.

    A direction that is named does this and nothing else from then on; the other one is left as it
    is. The next build takes what the site says.
    """

    def wish() -> PortWish:
        if not (to_guest or from_guest or link):
            raise ConfigError("Nothing is asked for, wanted --to-guest, --from-guest or --link.")
        up = None if link is None else link == "up"
        return PortWish(read("--to-guest", to_guest), read("--from-guest", from_guest), up)

    change(Options(**options), nodes=guests, wish=wish, measure=not no_measure)


@command.command(name="clear", cls=Command)
@click.argument("guests", default="", required=False)
@changing
def clear_command(*, guests: str, **options: Any) -> None:
    """Have the ports of GUESTS, or all, do nothing to frames, and be up."""
    none = Impairment()
    change(Options(**options), nodes=guests, wish=lambda: PortWish(none, none, up=True))


@command.command(name="run", cls=Command)
@click.argument("file")
@changing
def run_command(*, file: str, **options: Any) -> None:
    """Carry out the timeline of FILE: each server does its part by its own clock.

    At its end, and when it is ended early, all ports are as they were before.
    """
    run_timeline(Options(**options), file=file)


@command.command(name="show", cls=Command)
@read_only
def show_command(**options: Any) -> None:
    """Show what ports do to frames."""
    show(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.impair")
