"""The switch in use: `python -m workflows.switch use NAME`, `python -m workflows.switch status`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import click

from farswitch.model.cluster import Cluster
from farswitch.run.cli import Options, changing, main, read_only
from farswitch.run.command import Command, Group
from farswitch.run.documents import SwitchEntry
from farswitch.run.echo import echo
from farswitch.run.locking import note_holder
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.session import Session
from farswitch.run.stages import Stage, is_switch, step
from farswitch.run.switch_bench_words import BenchWords
from farswitch.run.terminal import shown
from farswitch.switch_bench.trials import TESTS
from tasks.switch_look import SwitchLook, switch_look
from workflows.lab_up import ensure_lab
from workflows.switch_bench import bench
from workflows.switch_use import use


@main("switch-status")
def show(options: Options) -> int:
    """Look and show."""
    options = dataclasses.replace(options, dry_run=True)
    with Session("switch-status", options, quiet=True) as session:
        ensure_lab(session)
        named = session.site.settings.switch
        session.read_record()
        kept = session.built_record
        note_holder(session, session.cluster.name, session.head_host)
        cluster = session.cluster
        adapter = cluster.settings.switch
        one = step(switch_look, adapter=adapter, owner=cluster.owner)
        session.run([Stage(is_switch, (one,), vital=False)])
        found = session.recorder.results.get(("switch_look", cluster.switch.name))
        if adapter != named:
            session.note(f"The site's switch is '{named.kind}': a build puts that in use.")
        used = kept.switch.name if kept.switch else adapter.kind
        return _end(session, _entry(cluster, used, found) if found else None)


def _entry(cluster: Cluster, name: str, found: SwitchLook) -> SwitchEntry:
    """Return what stands, as the JSON document has it."""
    state = found.observed.state
    wanted = [port.device for port in cluster.switch_ports(0)]
    return {
        "name": name,
        "kind": cluster.settings.switch.kind,
        "server": cluster.switch.name,
        "about": dict(found.observed.description),
        "held": [device for device in wanted if device in state.held],
        "missing": [device for device in wanted if device not in state.held],
        "fault": state.fault,
        "places": None if found.places is None else dict(sorted(found.places.items())),
    }


def _lines(switch: SwitchEntry) -> Iterator[tuple[str, str]]:
    """Yield the lines for people, each with its style."""
    yield f"{switch['name']} on {switch['server']}", ""
    yield from ((f"  {key}: {value}", "") for key, value in switch["about"].items())
    held, missing = switch["held"], switch["missing"]
    yield f"  ports: {len(held)} of {len(held) + len(missing)} held", "red" if missing else ""
    if missing:
        yield f"  not held: {', '.join(missing)}", "red"
    if switch["fault"]:
        yield f"  {switch['fault']}", "red"
    yield from ((f"  {mac} at {port}", "") for mac, port in (switch["places"] or {}).items())


def _end(session: Session, switch: SwitchEntry | None) -> int:
    console, report = console_for(as_json=session.options.json), session.report()
    good = switch is not None and not (switch["fault"] or switch["missing"])
    for line, style in _lines(switch) if switch else ():
        console.print(shown(line, style=style))
    for note in report.notes:
        console.print(shown(note))
    failures_on(console, report)
    if session.options.json:
        document = report.document() | ({"switch": switch} if switch else {})
        echo(json.dumps(document | {"ok": report.ok and good}, indent=1))
    return report.exit_code or int(not good)


@click.group(cls=Group)
def command() -> None:
    """The switch in use: what it is, and another one in its place under running jobs."""


@command.command(name="use", cls=Command)
@click.argument("name")
@changing
def use_command(*, name: str, **options: Any) -> None:
    """Put the switch NAME into the place of the one in use, under running jobs.

    NAME is one of the site's `switches`, its `switch`, or a kind without settings, as bridge. What
    a stream of datagrams loses meanwhile is measured. The next build takes the site's again.
    """
    use(Options(**options), name=name)


@command.command(cls=Command)
@read_only
def status(**options: Any) -> None:
    """Show the switch in use: its kind, settings, ports, and where addresses are."""
    show(Options(**options))


@command.command(name="bench", cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--frames", metavar="BYTES,…", default="",
              help="Sizes with the CRC; default: from 64 to what the MTU allows.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=2.0, show_default=True,
              help="Of each trial.")  # fmt: skip
@click.option("--only", metavar="TEST,…", default="", help=f"Some of {', '.join(TESTS)}.")
@read_only
def bench_command(
    *, names: tuple[str, ...], frames: str, seconds: float, only: str, **options: Any
) -> None:
    """Measure switches alone, without guests, side by side and against the bare underlay.

    NAMEs are as of `switch use`; without any, the site's `switch`, all of its `switches`, bridge,
    and openvswitch where the server has it. Frames cross ports of the bench's own, which are gone
    at its end.
    """
    bench(Options(**options), extent=BenchWords(names, frames, seconds, only))


if __name__ == "__main__":
    command(prog_name="python -m workflows.switch")
