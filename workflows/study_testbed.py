"""A cluster as the testbed of a study: a run of a program, and all that is measured beside it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Completed
from farswitch.errors import FarswitchError
from farswitch.impair.timeline import ImpairmentTimeline, TimelineEntry
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.pace import patient
from farswitch.run.session import Session
from farswitch.run.stages import Stage, step
from farswitch.study.document import StudyProgram
from farswitch.study.execute import Entered, Measured
from farswitch.study.host_state import GATE_SECONDS
from farswitch.study.launch import (
    GRACE,
    command_of,
    not_crossed,
    outcome,
    seconds_of,
    shown_command,
    tail,
)
from farswitch.study.neighbour import Neighbour, halves, neighbour, silent
from farswitch.study.noise import noise
from farswitch.study.plan import Cell, Study
from farswitch.study.port_samples import PortSampler, port_sampler
from farswitch.study.results import PortSamples, RunRecord, Value
from tasks.mpi_program import mpi_program
from tasks.run_command import run_command
from workflows.build import preflight_stage
from workflows.snapshot_stages import restorable
from workflows.study_cells import CellMaker
from workflows.study_counters import port_counts, states, uncounted
from workflows.study_requirements import check_fits

LOCAL_MARGIN = 300
"""Seconds of a stay in a local cell beside its programs', before the server ends it by itself."""
SAMPLER_MARGIN = 60.0
"""Seconds that the reading of ports may outlast program and events, until it is ended."""
VERSIONS = "uname -r; mpichversion"


@dataclass(slots=True)
class Meanwhile:
    """What went on beside a program: its neighbour, events, ports; and what failed of that."""

    neighbour_runs: int = 0
    events: list[TimelineEntry] = field(default_factory=list)
    samples: PortSamples | None = None
    error: str = ""


class ClusterTestbed:
    """The cluster of a session."""

    def __init__(
        self, session: Session, study: Study, settings: Settings, records: Sequence[RunRecord]
    ) -> None:
        """Look at what stands, and at the versions of it.

        The settings are the site's own, before another switch in use was read from the record; the
        records are of the study's runs that are kept.

        Raises:
            ConfigError: The cluster cannot carry the study.
        """
        check_fits(session, study, records)
        self._snapshot = restorable(session, study.snapshot).moment if study.snapshot else None
        self._session, self._study = session, study
        stay = LOCAL_MARGIN + sum(seconds_of(one) for one in study.programs.values())
        self._cells = CellMaker(session, settings, stay)
        self._cells.converge()
        self.environment = self._environment()

    def begin_block(self) -> None:
        """Bring all guests to where the study's snapshot has them, if it names one.

        Raises:
            FarswitchError: They cannot be.
        """
        if self._study.snapshot:
            self._cells.restore(self._study.snapshot)

    def enter(self, cell: Cell) -> Entered:
        """Make a cell and prove its path.

        Raises:
            FarswitchError: It cannot be made.
        """
        return self._cells.enter(cell)

    def leave(self) -> None:
        """Put the site's own switch in use again, and give the guests the cluster's MTU.

        Raises:
            FarswitchError: It cannot be.
        """
        self._cells.leave()

    def measure(self, cell: Cell, name: str, program: StudyProgram) -> Measured:
        """Run a program on the cell's nodes."""
        session = self._session
        session.begin_anew()
        every = session.cluster.guests[: cell.nodes]
        guests, others = halves(every) if self._study.shared else (every, ())
        before = states(session, every, GATE_SECONDS)
        loads = {host: state.load for host, state in before.items() if state.load}
        began, started = time.time(), time.monotonic()
        argv = self._command(program, guests)
        bound = seconds_of(program) + 6.0 * GRACE
        run = step(mpi_program, argv=argv, settings=session.cluster.settings, seconds=bound)
        stage = Stage(session.is_first_of(guests), (run,), vital=False)
        meanwhile = self._carry_out(cell, stage, every, others, bound)
        failed = meanwhile.error
        seconds = time.monotonic() - started
        ended = session.recorder.results.get(("mpi_program", guests[0].name))
        values, error = self._outcome(name, program, ended)
        after = states(session, every)
        ports = port_counts(session, every, before, after)
        failed = failed or uncounted(session, every, ports)
        if not (cell.alone or cell.local):
            ranks = self._study.programs[str(cell.neighbour)].ranks
            failed = failed or silent(ports, others[:ranks])
        error = failed or error or not_crossed(program, ports, local=cell.local)
        return Measured(
            command=shown_command(program, len(guests)),
            began=began,
            seconds=seconds,
            status=ended.status if ended else None,
            values={} if error else values,
            error=error,
            output=tail(ended.stdout, ended.stderr) if ended and error else "",
            load=loads,
            noise=tuple(noise(loads, self._vcpus())),
            ports=ports,
            retransmitted={
                guest.name: after[guest.name].retransmitted - before[guest.name].retransmitted
                for guest in every
                if guest.name in before and guest.name in after
            },
            neighbour_runs=meanwhile.neighbour_runs,
            events=tuple(map(asdict, meanwhile.events)),
            samples=meanwhile.samples,
        )

    def _carry_out(
        self,
        cell: Cell,
        stage: Stage,
        every: Sequence[Guest],
        others: Sequence[Guest],
        bound: float,
    ) -> Meanwhile:
        """Run the program beside its neighbour, along the timeline of the study."""
        found = Meanwhile()
        try:
            with ExitStack() as until:
                beside = until.enter_context(self._neighbour(cell, others, bound))
                if cell.local or not self._study.events:
                    self._session.run([stage])
                else:
                    timeline = until.enter_context(self._timeline(bound))
                    sampler = until.enter_context(self._sampler(every, bound))
                    timeline.start()
                    self._session.run([stage])
                    found.events = timeline.wait()
                    found.samples = sampler.end(timeline.moment)
                found.neighbour_runs = beside.look() if beside else 0
        except FarswitchError as raised:
            found.error = str(raised)
            return found
        found.error = next((one.error for one in found.events if one.error), "")
        return found

    def _sampler(
        self, guests: Sequence[Guest], bound: float
    ) -> AbstractContextManager[PortSampler]:
        """Return what reads the guests' ports of the switch, for as long as events may last."""
        host = self._session.nornir.inventory.hosts[self._session.cluster.switch.name]
        ends = [event.at + (event.length or 0) for event in self._study.events]
        seconds = bound + max(ends) / 1e6 + patient(SAMPLER_MARGIN)
        return port_sampler(shell(host), {guest.name: guest.tunnel for guest in guests}, seconds)

    def _timeline(self, bound: float) -> ImpairmentTimeline:
        """Return the study's, beside a program that may take so many seconds."""
        session = self._session
        return ImpairmentTimeline(
            session.nornir.inventory.hosts,
            session.cluster,
            self._study.events,
            mtu=session.built_record.mtu,
            lab=session.site.lab is not None,
            waited=bound,
        )

    def _command(self, program: StudyProgram, guests: Sequence[Guest]) -> list[str]:
        return command_of(program, [str(guest.data_address.ip) for guest in guests])

    @contextmanager
    def _neighbour(
        self, cell: Cell, guests: Sequence[Guest], seconds: float
    ) -> Iterator[Neighbour | None]:
        """Run the cell's other job, where it has one, until the block ends."""
        if cell.alone:
            yield None
            return
        session = self._session
        argv = self._command(self._study.programs[str(cell.neighbour)], guests)
        login = shell(session.nornir.inventory.hosts[guests[0].name])
        with neighbour(login, session.cluster.settings, argv, seconds) as beside:
            yield beside

    def _outcome(
        self, name: str, program: StudyProgram, ended: Completed | None
    ) -> tuple[dict[str, Value], str]:
        if ended is None:
            return {}, "; ".join(one.error for one in self._session.recorder.failures)
        return outcome(name, program, ended.status, ended.stdout, ended.stderr)

    def _vcpus(self) -> dict[str, int]:
        cluster = self._session.cluster
        each = cluster.settings.vcpus
        return {one.name: each * len(cluster.guests_of(one.name)) for one in cluster.hypervisors}

    def _environment(self) -> dict[str, Any]:
        """Return versions, MTUs and offloads of all machines, as they are now."""
        session = self._session
        session.run([preflight_stage(session)])
        facts = {
            server.name: found
            for server in session.cluster.servers
            if (found := session.recorder.results.get(("preflight", server.name)))
        }
        user = session.cluster.settings.user
        look = step(run_command, line=VERSIONS, user=user, seconds=60.0)
        session.run([Stage(session.is_first_of(session.cluster.guests), (look,), vital=False)])
        guest = session.recorder.results.get(("run_command", session.cluster.head.name))
        return {
            "farswitch": version("farswitch"),
            "controller": f"Python {platform.python_version()} on {platform.platform()}",
            "snapshot": self._snapshot,
            "mtu": session.built_record.mtu,
            "memory": session.cluster.settings.memory,
            "vcpus": session.cluster.settings.vcpus,
            "pin": session.cluster.settings.pin.model_dump(mode="json", exclude_defaults=True),
            "guest": guest.stdout.split("\n")[:5] if guest else [],
            "servers": {
                name: {
                    "versions": dict(one.versions),
                    "accelerator": str(one.accelerator),
                    "interfaces": [asdict(link) for link in one.interfaces],
                }
                for name, one in facts.items()
            },
        }
