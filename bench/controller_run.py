"""One run over many guests that answer after a while, in a process of its own, and what it cost.

`python -m bench.controller_run RUN SITE LATENCY` prints its `Cost` as JSON. The servers' part is
left out: what earlier steps find of them is given.
"""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast, get_args

from pydantic import TypeAdapter

from bench.answers import AnsweringHypervisor, SlowWay, answered_by, answering_guests
from farswitch.guests.base_image import wanted_image
from farswitch.guests.domain import Hardware
from farswitch.guests.server_facts import Facts
from farswitch.links.underlay import OVERHEAD_V4, Underlay
from farswitch.model.cluster import Cluster, cluster
from farswitch.proof.pairing import Pairing
from farswitch.proof.prove import prove
from farswitch.run.cli import Options
from farswitch.run.session import Session
from farswitch.run.ssh_config import write_login
from farswitch.site.loader import load_site
from farswitch.state.record import complete
from tasks.checks.guest import drift, hosts_file
from workflows.build import guests_stages
from workflows.verify import context_of, observe

Run = Literal["first plan", "plan", "again", "grown", "verify"]
"""The plan of a first build, and of one with nothing to do; that build; one that adds a guest, of
which all others do not know; the proof of what all have in their files."""
RUNS: tuple[Run, ...] = get_args(Run)
LATENCY, WORKERS = 0.05, 32
"""Seconds of a round trip to a guest, and how many are worked on at once."""
MTU = 1450
PROBES = (hosts_file.PROBE, drift.PROBE)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run cost.

    Attributes:
        seconds: From the reading of the site to the end of the report.
        processor: The seconds that the process computed in that time.
        trips: Round trips to guests.
        threads: Of the process at a time, its first one included, at most.
        memory: MiB of the process at most.
        changed: What was changed, or would be.
        checks: How many there were.
        failures: What failed, in sentences.
    """

    seconds: float
    processor: float
    trips: int
    threads: int
    memory: float
    changed: int
    checks: int
    failures: list[str]

    @property
    def waiting(self) -> float:
        """The seconds that the workers need for the round trips alone."""
        return self.trips * LATENCY / WORKERS


COST = TypeAdapter(Cost)


def run(name: Run, site: str, latency: float) -> Cost:
    """Make a run over the guests of a site; `latency` is that of a round trip, in seconds."""
    built = cluster(load_site(site))
    size, image = len(built.guests), wanted_image(built.settings)
    record = complete(None, built, size, MTU)
    hardware = Hardware("kvm", MTU, image.pool_path, image.base)
    way = SlowWay(latency)
    guests = answering_guests(way, built, record, MTU)
    if name == "grown":
        guests |= answering_guests(way, cluster(load_site(site), size - 1), record, MTU)
    hypervisor = AnsweringHypervisor(() if name == "first plan" else built.guests, hardware)
    start, computed = time.monotonic(), time.process_time()
    options = Options(
        site=site, workers=WORKERS, dry_run=name.endswith("plan"), json=True, log="/dev/null"
    )
    workflow = "verify" if name == "verify" else "build"
    with (
        Session(workflow, options, quiet=True) as session,
        answered_by(way, guests, hypervisor),
        redirect_stdout(sys.stderr),
    ):
        session.take_record(record)
        if name == "verify":
            _verify(session)
        else:
            _build(session, built)
        session.finish()
        found = session.recorder
        failed = [check.measured for check in found.checks if not check.ok]
        return Cost(
            seconds=time.monotonic() - start,
            processor=time.process_time() - computed,
            trips=way.trips,
            threads=way.threads,
            memory=_peak(),
            changed=found.changed,
            checks=len(found.checks),
            failures=[*(one.error for one in found.failures), *failed],
        )


def _peak() -> float:
    """Return the most memory of this program, in MiB: getrusage counts its parent's before exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _build(session: Session, built: Cluster) -> None:
    for server in built.hypervisors:
        underlay = Underlay(server.name, "eth1", server.underlay, MTU + OVERHEAD_V4, OVERHEAD_V4)
        facts = Facts(underlay, "kvm", memory=1 << 20, disk=1 << 24, processors=64)
        session.recorder.results["preflight", server.name] = facts
        session.recorder.results["bridge_ports", server.name] = ()
    if not session.options.dry_run:
        session.log_in_early()
    session.run(guests_stages(session, MTU))
    write_login(session)


def _verify(session: Session) -> None:
    chosen = {name for probe in PROBES for name in probe.checks}
    look = partial(observe, session, "guest")
    checks = prove(PROBES, context_of(session, Pairing()), look, chosen=chosen, dry=False)
    session.recorder.judged("guest", checks)


if __name__ == "__main__":
    print(COST.dump_json(run(cast("Run", sys.argv[1]), sys.argv[2], float(sys.argv[3]))).decode())
