"""Prove that all works and that every byte crosses the switch: `python -m workflows.verify`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import comb
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from farswitch.errors import ConfigError, FarswitchError
from farswitch.lab.third_host import HostNamespace, attach_third_host
from farswitch.model.cluster import Site
from farswitch.proof.context import Context, Evidence
from farswitch.proof.pairing import Pairing
from farswitch.proof.probe import Probe
from farswitch.proof.prove import Outcomes, Round, prove
from farswitch.run.cli import Options, main, shared
from farswitch.run.command import Command
from farswitch.run.completion import comma_list
from farswitch.run.echo import echo
from farswitch.run.junit import check_writable, render
from farswitch.run.locking import note_holder
from farswitch.run.rows import Failure
from farswitch.run.selection import select, wanted
from farswitch.run.session import Session
from farswitch.run.ssh_config import configuration_of
from farswitch.run.stages import PerHost, Stage, step
from tasks.checks import SUITE, probes
from tasks.verify import verify
from workflows.lab_up import lab_of

BY_PAIRS = {
    "ssh.pair": "ssh", "reach.tcp": "TCP", "reach.mpi_ports": "TCP", "mpi.pairs": "MPI",
    "path.counters": "MPI",
}  # fmt: skip
"""Checks that are made between some of many nodes; what a packet proves is made between all."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is verified."""

    only: str = ""
    skip: str = ""
    junit: Path | None = None
    attack: bool = False
    control: bool = False
    all_pairs: bool = False
    seed: int | None = None

    def pairing(self) -> Pairing:
        """Return how pairs are chosen for what is proved by pairs.

        Raises:
            ConfigError: Both all pairs and those of a seed are asked for.
        """
        if self.all_pairs and self.seed is not None:
            raise ConfigError("'--seed' chooses some pairs, '--all-pairs' wants all: give one.")
        return Pairing(all_pairs=self.all_pairs) if self.seed is None else Pairing(self.seed)

    def chosen(self) -> frozenset[str]:
        """Return the names of the checks that are made.

        Raises:
            ConfigError: There is no such check, or nothing is left.
        """
        asked = [name for name in ("attack", "control") if getattr(self, name)]
        return select(probes(), only=self.only, skip=self.skip, asked=asked)


def context_of(session: Session, pairing: Pairing, *, guest_mtu: int | None = None) -> Context:
    """Return what the proof may use; `guest_mtu` where the guests' NICs have another for now."""
    cluster, record = session.cluster, session.built_record
    return Context(
        cluster=cluster,
        record=record,
        mtu=record.mtu,
        hosts={host.name: host for host in session.hosts(lambda _host: True)},
        logins=configuration_of(cluster.name),
        rebuild=_rebuild(session.options),
        pairing=pairing,
        third_host=_third_host(session.site),
        guest_mtu=guest_mtu,
    )


def make(session: Session, chosen: frozenset[str], context: Context) -> None:
    """Make the checks, family by family; probes of the same hosts side by side."""
    runs = wanted(probes(), chosen)
    families = [name for name, suite in SUITE.items() if any(probe in runs for probe in suite)]
    session.foresee(families)
    for family, suite in SUITE.items():
        probes_here = (probe for probe in suite if probe in runs)
        for (_, _, together), alike in groupby(probes_here, attrgetter("on", "vital", "together")):
            look = partial(observe, session, family, together=together)
            dry = session.options.dry_run
            checks = prove(tuple(alike), context, look, chosen=chosen, dry=dry)
            session.recorder.judged(family, checks)


def observe(
    session: Session, family: str, observations: Round, *, together: bool = False
) -> Outcomes:
    """Make observations on all of their hosts side by side; `together`, on all of them at once."""
    one = step(verify, family, observations=PerHost(lambda host: observations[host.name]))
    stage = Stage(lambda host: host.name in observations, (one,), vital=False, together=together)
    session.run([stage])
    return {host: session.result(family, host) for host in observations}


def _third_host(site: Site) -> Callable[[], AbstractContextManager[HostNamespace]] | None:
    """Return what attaches a third host to the underlay, which only a lab has."""
    lab = lab_of(site)
    return partial(attach_third_host, lab) if lab else None


def note_pairs(session: Session, chosen: frozenset[str], context: Context) -> None:
    """Say how many of all pairs met, where anything was proved by pairs, and by what."""
    made = {check.name for check in context.evidence.checks if check.ok is not None}
    means = dict.fromkeys(word for name, word in BY_PAIRS.items() if name in made & chosen)
    if not means:
        return
    meetings, possible = context.meetings(), comb(len(context.cluster.guests), 2)
    session.recorder.extras["pairs"] = {
        "made": meetings.made, "all": possible, "seed": meetings.seed
    }  # fmt: skip
    if meetings.seed is not None:
        session.note(
            f"By {', '.join(means)} {meetings.made:,} of {possible:,} pairs of nodes met: a ring, "
            f"and random ones of --seed {meetings.seed}. With --all-pairs all do."
        )


def _conclusion(chosen: frozenset[str], evidence: Evidence) -> str:
    """Return the last sentence: what crossed the switch, or that it was not proved."""
    if "path.counters" not in chosen:
        return ""
    return evidence.conclusion or "It is not proved that any byte crossed the switch."


def _rebuild(options: Options) -> str:
    """Return the command that builds the same site, as one types it here."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    site = ["--site", options.site] if options.site else []
    return shlex.join([str(python), "-m", "workflows.build", *site])


def names(all_probes: tuple[Probe, ...]) -> Iterator[str]:
    """Yield a line for each check: its name and what is proved."""
    for probe in all_probes:
        for name, sentence in probe.checks.items():
            yield f"{name:<24} {sentence}{f' (--{probe.family})' if probe.asked else ''}"


def _recall(session: Session, extent: Extent) -> None:
    """Read the cluster's record; a run that ends there says so in the JUnit file too."""
    try:
        session.read_record()
        _ = session.built_record
    except FarswitchError as error:
        if extent.junit:
            failure = Failure(session.head_host.name, "record", str(error), error.hint)
            extent.junit.write_text(render([], [failure], session.seconds), encoding="utf-8")
        raise


@main("verify")
def run(options: Options, extent: Extent) -> int:
    """Verify and report."""
    chosen, pairing = extent.chosen(), extent.pairing()
    if extent.junit:
        check_writable(extent.junit)
    with Session("verify", options) as session:
        _recall(session, extent)
        note_holder(session, session.cluster.name, session.head_host)
        context = context_of(session, pairing)
        make(session, chosen, context)
        note_pairs(session, chosen, context)
        session.recorder.extras |= context.evidence.measures
        for note in context.evidence.notes:
            session.note(note)
        if extent.junit:
            found = session.recorder
            text = render(found.checks, found.failures, session.seconds)
            extent.junit.write_text(text, encoding="utf-8")
        return session.finish(_conclusion(chosen, context.evidence))


_NAMES = comma_list(lambda: [name for probe in probes() for name in (probe.family, *probe.checks)])


@click.command(cls=Command)
@shared
@click.option(
    "--only",
    metavar="LIST",
    default="",
    help="Families or checks, with commas.",
    shell_complete=_NAMES,
)
@click.option(
    "--skip",
    metavar="LIST",
    default="",
    help="Families or checks to leave out.",
    shell_complete=_NAMES,
)
@click.option("--list", "listed", is_flag=True, help="Name all checks and what they prove.")
@click.option("--junit", metavar="FILE", type=click.Path(path_type=Path), help="JUnit XML too.")
@click.option("--all-pairs", is_flag=True, help="All pairs meet, also of many nodes.")
@click.option("--seed", metavar="NUMBER", type=int, help="The random pairs of an earlier run.")
@click.option("--attack", is_flag=True, help="Also try every other way, from inside the guests.")
@click.option("--control", is_flag=True, help="Also take each port of the switch down, in turn.")
def command(*, listed: bool, **options: Any) -> None:
    """Prove that the cluster works and that every byte between guests crosses the switch."""
    if listed:
        echo("\n".join(names(probes())))
        return
    extent = Extent(**{name: options.pop(name) for name in Extent.__dataclass_fields__})
    run(Options(**options), extent=extent)


if __name__ == "__main__":
    command(prog_name="python -m workflows.verify")
