"""A cluster as the testbed of a study: cells are made by exchanges, paths proved by verify."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from nornir.core.inventory import Host

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Completed
from farswitch.errors import ConfigError, FarswitchError
from farswitch.impair.plan import PortWish, site_wishes
from farswitch.impair.timeline import ImpairmentTimeline, TimelineEntry
from farswitch.model.impairment import PortImpairment
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.model.switch import written
from farswitch.pace import patient
from farswitch.proof.pairing import Pairing
from farswitch.remote import command as remote_command
from farswitch.run.locking import fenced
from farswitch.run.selection import select
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, is_switch, servers, step
from farswitch.run.stages import guests as is_guest
from farswitch.study.document import StudyProgram
from farswitch.study.execute import Entered, Measured
from farswitch.study.host_state import GATE_SECONDS, HostState, port_traffic
from farswitch.study.impairments import NO_IMPAIRMENT, ports_of
from farswitch.study.launch import (
    GRACE,
    command_of,
    not_crossed,
    outcome,
    seconds_of,
    shown_command,
    tail,
)
from farswitch.study.neighbour import LEAST_NODES, Neighbour, halves, neighbour, silent
from farswitch.study.noise import noise
from farswitch.study.plan import LOCAL, Cell, Study
from farswitch.study.port_samples import PortSampler, port_sampler
from farswitch.study.results import PathProof, PortSamples, PortTraffic, Value
from tasks.checks import probes
from tasks.checks.control.job import answered
from tasks.checks.path.counters import Count
from tasks.host_state import host_state
from tasks.mpi_program import mpi_program
from tasks.mtu import mtu
from tasks.run_command import run_command
from tasks.switch_exchange import SECONDS
from tasks.switch_look import SwitchLook, switch_look
from workflows.build import impair_step, preflight_stage, underlay_device
from workflows.local_path import judge, local_steps, remote_steps
from workflows.look import look
from workflows.snapshot import check_snapshot, restore_snapshot
from workflows.switch_use import ChosenSwitch, chosen, converging, exchange
from workflows.verify import context_of, make

States = Mapping[str, HostState]
PROOF = "tunnel,path"
"""The families of checks that prove a cell's path."""
EXACT = frozenset({"mtu.exact"})
"""The check that proves a cell's MTU: between each two guests, its size passes and no more."""
ECHO_SECONDS = "5"
"""For the answers of all nodes over a local path."""
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

    def __init__(self, session: Session, study: Study, settings: Settings) -> None:
        """Look at what stands, and at the versions of it.

        The settings are the site's own, before another switch in use was read from the record.

        Raises:
            ConfigError: The cluster has fewer nodes than a cell wants.
        """
        self._session, self._settings = session, settings
        self._local = False
        self._seconds = LOCAL_MARGIN + sum(seconds_of(one) for one in study.programs.values())
        if any(cell.local for cell in study.cells):
            local_steps(session.cluster, "", 0)  # refuses guests on several hypervisors
        most = max((cell.nodes or 0 for cell in study.cells), default=0)
        if most > (count := len(session.cluster.guests)):
            raise ConfigError(
                f"The study wants {most} nodes, and cluster '{session.cluster.name}' has {count}.",
                hint=f"More guests: farswitch build --nodes {most}",
            )
        least = min((cell.nodes or count for cell in study.cells), default=count)
        if study.shared and least < LEAST_NODES:
            raise ConfigError(
                f"A study of neighbours wants {LEAST_NODES} nodes, two for each of both jobs, and "
                f"has {least}.",
                hint=f"More guests: farswitch build --nodes {LEAST_NODES}",
            )
        largest, have = (
            max((cell.mtu or 0 for cell in study.cells), default=0),
            session.built_record,
        )
        if largest > have.mtu:
            raise ConfigError(
                f"The study wants an MTU of {largest}, and cluster '{session.cluster.name}' has "
                f"{have.mtu}.",
                hint="Take it out of the study, or raise the underlay's MTU, and the site's 'mtu' "
                "where it names one, and build: farswitch build",
            )
        self._study = study
        self._mtu: int | None = None
        self._impaired: dict[str, PortWish] | None = None
        for text in {cell.impair or NO_IMPAIRMENT for cell in study.cells}:
            for name in ports_of(text):
                session.guest(name)  # refuses one that there is not
        if study.snapshot:
            check_snapshot(session, study.snapshot)
        self._chosen = select(probes(), only=PROOF)
        self._converge()
        self.environment = self._environment()

    def begin_block(self) -> None:
        """Bring all guests to where the study's snapshot has them, if it names one.

        Raises:
            FarswitchError: They cannot be.
        """
        session = self._session
        if not self._study.snapshot:
            return
        if self._local:
            self._set_path(local=False)
        session.begin_anew()
        self._mtu = None
        restore_snapshot(session, self._study.snapshot)
        if session.recorder.failures:
            raise FarswitchError(first_failure(session))

    def enter(self, cell: Cell) -> Entered:
        """Put the cell's switch in use and prove the path.

        Raises:
            FarswitchError: It cannot be put in use.
        """
        session, nodes = self._session, cell.nodes or len(self._session.cluster.guests)
        own: dict[str, Any] = {"nodes": nodes} | ({"mtu": cell.mtu} if cell.mtu else {})
        self._set_mtu(cell.mtu or session.built_record.mtu)
        if cell.local:
            self._set_path(local=True)
            return Entered({"path": LOCAL} | own, self._local_proof(cell), {}, {})
        if self._local:
            self._set_path(local=False)
        self._impair(site_wishes(session.cluster))  # the path is proved without a cell's own
        want = chosen(self._settings, cell.switch or self._settings.switch.kind)
        made = self._exchange(want)
        proof = self._verified(cell, self._chosen | (EXACT if cell.mtu else frozenset()))
        about = self._about()
        factors = {"switch": want.name, "adapter": written(want.adapter)} | own
        if cell.impair is not None:
            self._impair(self._wishes(cell.impair))
            factors["impair"] = cell.impair
        return Entered(factors, proof, about, made)

    def _verified(self, cell: Cell, chosen: frozenset[str]) -> PathProof:
        """Return what verify's checks say of the cell as it stands; each kind must have passed."""
        session = self._session
        session.begin_anew()
        make(session, chosen, context := context_of(session, Pairing(), guest_mtu=cell.mtu))
        checks = session.recorder.checks
        failed = [f"{one.name} of {one.host}: {one.measured}" for one in checks if one.ok is False]
        passed = {one.name for one in checks if one.ok}
        proved = chosen & ({"path.counters"} | EXACT) <= passed
        return PathProof(
            ok=proved and not failed and not session.recorder.failures,
            checks=sum(one.ok is True for one in checks),
            failed=failed or [one.error for one in session.recorder.failures],
            conclusion=context.evidence.conclusion,
        )

    def measure(self, cell: Cell, name: str, program: StudyProgram) -> Measured:
        """Run a program on the cell's nodes."""
        session = self._session
        session.begin_anew()
        every = session.cluster.guests[: cell.nodes]
        guests, others = halves(every) if self._study.shared else (every, ())
        before = self._states(every, GATE_SECONDS)
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
        after = self._states(every, 0.0)
        ports = self._ports(every, before, after)
        if not (cell.alone or cell.local):
            failed = failed or silent(ports, others)
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
                    timeline = until.enter_context(self._timeline())
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

    def _timeline(self) -> ImpairmentTimeline:
        session = self._session
        return ImpairmentTimeline(
            session.nornir.inventory.hosts,
            session.cluster,
            self._study.events,
            mtu=session.built_record.mtu,
            lab=session.site.lab is not None,
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

    def _ports(
        self, guests: tuple[Guest, ...], before: States, after: States
    ) -> dict[str, PortTraffic]:
        """Return what the guests' ports of the switch counted."""
        switch = self._session.cluster.switch.name
        if switch not in before or switch not in after:
            return {}
        ports = {guest.name: guest.tunnel for guest in guests}
        return port_traffic(before[switch], after[switch], ports)

    def leave(self) -> None:
        """Put the site's own switch in use again, and give the guests the cluster's MTU.

        Raises:
            FarswitchError: It cannot be.
        """
        if self._local:
            self._set_path(local=False)
        self._set_mtu(self._session.built_record.mtu)
        self._impair(site_wishes(self._session.cluster))
        self._exchange(chosen(self._settings, self._settings.switch.kind))

    def _wishes(self, text: str) -> dict[str, PortWish]:
        """Return what a cell's impairment says of all ports; one that it does not name is clean."""
        named, none = ports_of(text), PortImpairment()
        guests = self._session.cluster.guests
        return {one.name: PortWish.whole(named.get(one.name, none)) for one in guests}

    def _impair(self, wishes: dict[str, PortWish]) -> None:
        """Have the ports do what is wished, where they do not."""
        session = self._session
        if wishes == self._impaired:
            return
        session.begin_anew()
        self._impaired = None
        one = impair_step(session, wishes, session.built_record.mtu)
        if not session.run(fenced(session, [Stage(servers, (one,))])):
            raise FarswitchError(first_failure(session))
        self._impaired = wishes

    def _set_mtu(self, size: int) -> None:
        """Give each guest's data NIC an MTU, in bytes of IP packet, where it has another."""
        if size == self._mtu:
            return
        session = self._session
        session.begin_anew()
        self._mtu = None
        one = Stage(is_guest, (step(mtu, size=size),))
        if not session.run(fenced(session, [one])):
            raise FarswitchError(first_failure(session))
        self._mtu = size

    def _set_path(self, *, local: bool) -> None:
        """Join the guests on one bridge of their hypervisor, or give each its own again."""
        session, cluster = self._session, self._session.cluster
        session.begin_anew()
        look(session)
        home = cluster.head.hypervisor
        device, size = underlay_device(session, home, "status"), session.built_record.mtu
        steps = (
            local_steps(cluster, device, size, seconds=self._seconds)
            if local
            else remote_steps(cluster, device, size)
        )
        self._local = True
        if not session.run(fenced(session, [Stage(lambda host: host.name == home, steps)])):
            raise FarswitchError(first_failure(session))
        self._local = local

    def _local_proof(self, cell: Cell) -> PathProof:
        """Return whether the nodes hear each other, and nothing of it crosses the switch.

        Of a cell with an MTU it is proved after that: its probe sends through the tunnels, too.
        """
        session, guests = self._session, self._session.cluster.guests
        before = self._states(guests, 0.0)
        addresses = [str(guest.data_address.ip) for guest in guests[1:]]
        heard = answered(
            shell(session.hosts(session.is_first_of(guests))[0])
            .run(remote_command("echo", ECHO_SECONDS, *addresses))
            .stdout
        )
        ports = self._ports(guests, before, self._states(guests, 0.0))
        counted = {
            guest.tunnel: Count(ports[guest.name].received, ports[guest.name].sent)
            for guest in guests
            if guest.name in ports
        }
        silent = [f"{one} does not answer" for one in addresses if one not in heard]
        verdict = judge(session.cluster, counted) if len(counted) == len(guests) else None
        failed = (
            silent
            if verdict and verdict.ok
            else [*silent, verdict.measured if verdict else "not counted"]
        )
        said, count = verdict.measured if verdict else "", 1 + len(addresses)
        if cell.mtu and not failed:
            sized = self._verified(cell, EXACT)
            failed, count = sized.failed, count + sized.checks
            return PathProof(ok=sized.ok, checks=count, failed=failed, conclusion=said)
        return PathProof(ok=not failed, checks=count, failed=failed, conclusion=said)

    def _converge(self) -> None:
        """Bring the servers to the switch in use, whatever a run that was killed has left."""
        session = self._session
        self._set_path(local=False)
        self._set_mtu(session.built_record.mtu)
        session.begin_anew()
        if not session.run(fenced(session, converging(session, session.built_record.mtu))):
            raise FarswitchError(first_failure(session))

    def _exchange(self, want: ChosenSwitch) -> Mapping[str, Any]:
        session = self._session
        if session.cluster.settings.switch == want.adapter:
            return {}
        session.begin_anew()
        began = time.monotonic()
        exchange(session, want, SECONDS)
        if session.recorder.failures:
            raise FarswitchError(first_failure(session))
        return {
            **session.recorder.extras["exchange"],
            "seconds": round(time.monotonic() - began, 1),
        }

    def _about(self) -> Mapping[str, str]:
        """Return what the adapter says of the switch in use."""
        cluster = self._session.cluster
        one = step(switch_look, adapter=cluster.settings.switch, owner=cluster.owner)
        self._session.run([Stage(is_switch, (one,), vital=False)])
        found = self._session.recorder.results.get(("switch_look", cluster.switch.name))
        return found.observed.description if isinstance(found, SwitchLook) else {}

    def _states(self, guests: tuple[Guest, ...], seconds: float) -> dict[str, HostState]:
        """Return the states of both servers and some guests; the servers are watched meanwhile."""
        session = self._session
        names, tunnels = {guest.name for guest in guests}, [guest.tunnel for guest in guests]

        def on(host: Host) -> bool:
            return servers(host) or host.name in names

        one = step(
            host_state,
            interfaces=PerHost(lambda host: tunnels if is_switch(host) else ()),
            seconds=PerHost(lambda host: seconds if servers(host) else 0.0),
        )
        session.run([Stage(on, (one,), vital=False)])
        results = session.recorder.results
        return {host: state for (name, host), state in results.items() if name == "host_state"}

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


def first_failure(session: Session) -> str:
    """Return where and why something failed first, in a sentence."""
    failures = (f"{one.host}, {one.stage}: {one.error}" for one in session.recorder.failures)
    return next(failures, "A server failed.")
