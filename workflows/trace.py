"""Where frames of one guest to another get lost: `python -m workflows.trace node1 node3`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.errors import ConfigError
from farswitch.links.underlay import Underlay
from farswitch.model.machines import Guest
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.pairing import Pairing
from farswitch.proof.path_mtu import tunnel_paths
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.locking import note_holder
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.print_trace import trace_table
from farswitch.run.session import Session
from farswitch.run.stages import Stage, step
from farswitch.run.terminal import shown
from farswitch.status.observed import ServerLook, underlay_devices
from farswitch.trace.frame import LEAST, MOST, SMALL, TracedFrames
from farswitch.trace.hops import Trace, hops
from farswitch.trace.judge import GUESTS, SERVERS, UNDERLAY, Gap, fitting, gap, judge
from tasks.checks.mtu import hops as mtu_hops
from tasks.trace import trace
from tasks.underlay_udp import underlay_udp
from workflows.lab_up import ensure_lab
from workflows.look import look
from workflows.verify import context_of, make

MOST_FRAMES = 1000


@dataclass(frozen=True, slots=True)
class TraceExtent:
    """Who sends what to whom."""

    sender: str
    receiver: str
    frames: TracedFrames

    def guests(self, session: Session) -> tuple[Guest, Guest]:
        """Return sender and receiver.

        Raises:
            ConfigError: There is no such guest, or both are one.
        """
        if self.sender == self.receiver:
            raise ConfigError(f"'{self.sender}' would send to itself: name two guests.")
        return session.guest(self.sender), session.guest(self.receiver)


def too_narrow(context: Context, looks: Mapping[str, ServerLook], size: int) -> Iterator[Check]:
    """Yield the verdicts on hops that frames of `size` bytes of IP packet do not pass."""
    fixes = (context.rebuild, context.command)
    for name, found in looks.items():
        if not isinstance(found.underlay, Underlay):
            continue
        state = mtu_hops.ServerState({link.name: link for link in found.links}, found.underlay)
        server = context.cluster.server(name)
        own = mtu_hops.of_server(context.cluster, server, state, context.mtu, fixes)
        if small := [hop for hop in own if hop.carries < size]:
            yield from mtu_hops.judge(small)


def reasons(
    session: Session, context: Context, lost: Gap, looks: Mapping[str, ServerLook], found: Trace
) -> list[Check]:
    """Return what may say why frames got lost; what takes long only where nothing else does."""
    cluster, evidence = context.cluster, context.evidence
    guests = (cluster.guest(found.way[0].host), cluster.guest(found.way[-1].host))
    of_two = dataclasses.replace(context, cluster=dataclasses.replace(cluster, guests=guests))
    evidence.checks += too_narrow(context, looks, found.frames.size)
    for chosen, place in ((SERVERS, context), (GUESTS, of_two)):
        if not fitting(lost, evidence.checks, cluster):
            make(session, frozenset(chosen), place)
    underlay = any(hop.what == "underlay" for hop in lost.around)
    if underlay and not fitting(lost, evidence.checks, cluster):
        evidence.checks += _tried(session, looks, lost)
    return evidence.checks


def _tried(session: Session, looks: Mapping[str, ServerLook], lost: Gap) -> Iterator[Check]:
    """Send UDP between the servers, and yield what is in its way."""
    ends = {name: one.underlay for name, one in looks.items() if isinstance(one.underlay, Underlay)}
    if len(ends) < len(session.cluster.servers):
        return
    hosts = session.nornir.inventory.hosts
    paths = tunnel_paths(session.cluster, {name: one.device for name, one in ends.items()})
    below = {name: one.below for name, one in ends.items()}
    one = step(underlay_udp, paths=paths, hosts=hosts, below=below)
    session.run([Stage(session.is_head, (one,), vital=False)])
    for failure in session.recorder.failures:
        for obstacle in failure.parts if failure.stage == UNDERLAY else ():
            yield Check(UNDERLAY, lost.missed.host, ok=False, measured=obstacle.what, expected="",
                        fix=obstacle.remedy)  # fmt: skip


@main("trace")
def run(options: Options, extent: TraceExtent) -> int:
    """Send, count, judge and print."""
    with Session("trace", dataclasses.replace(options, dry_run=True), quiet=True) as session:
        ensure_lab(session)
        session.read_record()
        mtu = session.built_record.mtu
        sender, receiver = extent.guests(session)
        note_holder(session, session.cluster.name, session.head_host)
        looks = look(session)
        found = _trace(session, extent.frames, sender, receiver, looks)
        if found is None:
            return _end(session, None)
        context = context_of(session, Pairing())
        checks: list[Check] = []
        if lost := gap(found):
            session.begin_anew()
            checks = reasons(session, context, lost, looks, found)
        verdict = judge(session.cluster, found, checks, mtu=mtu, rebuild=context.rebuild)
        session.begin_anew()
        session.recorder.judged("trace", [verdict])
        return _end(session, found)


def _trace(
    session: Session,
    frames: TracedFrames,
    sender: Guest,
    receiver: Guest,
    looks: Mapping[str, ServerLook],
) -> Trace | None:
    """Return what was counted; None where a host could not be asked, which is recorded."""
    cluster = session.cluster
    if len(looks) < len(cluster.servers):
        return None
    way = hops(cluster, sender, receiver, underlay_devices(cluster, looks))
    hosts: Mapping[str, Host] = session.nornir.inventory.hosts
    one = step(trace, frames=frames, way=way, hosts=hosts, sender=sender, receiver=receiver)
    if not session.run([Stage(session.is_head, (one,))]):
        return None
    found: Trace = session.result("trace", session.head_host.name)
    return found


def _end(session: Session, found: Trace | None) -> int:
    """Print the hops, and what is wrong; return the exit code."""
    console, report = console_for(as_json=session.options.json), session.report()
    if found:
        console.print(trace_table(found), soft_wrap=False)
    for note in report.notes:
        console.print(shown(note))
    for check in report.checks:
        if check.ok:
            console.print(shown(f"{check.measured}.", style="green"))
    failures_on(console, report)
    if session.options.json:
        document = report.document()
        if found:
            document |= {"frames": asdict(found.frames), "hops": [asdict(hop) for hop in found.way]}
        echo(json.dumps(document, indent=1))
    return report.exit_code


@click.command(cls=Command)
@click.argument("sender")
@click.argument("receiver")
@click.option("--tcp", is_flag=True, help="TCP's SYN instead of ICMP echo requests.")
@click.option("--size", type=click.IntRange(LEAST, MOST), default=SMALL, show_default=True,
              metavar="BYTES", help="Of a frame's IP packet.")  # fmt: skip
@click.option("--count", type=click.IntRange(1, MOST_FRAMES), default=20, show_default=True,
              metavar="FRAMES", help="How many are sent.")  # fmt: skip
@read_only
def command(
    *, sender: str, receiver: str, tcp: bool, size: int, count: int, **options: Any
) -> None:
    """Send marked frames from one guest to another, and count them at every hop.

    The first hop that missed some is named, with the usual cause and the fix. Nothing is changed.
    """
    run(Options(**options), extent=TraceExtent(sender, receiver, TracedFrames(count, size, tcp)))


if __name__ == "__main__":
    command(prog_name="python -m workflows.trace")
