"""The switch alone, all kinds side by side: what `farswitch switch bench` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from farswitch.connections.access import shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.links.mtu import derive
from farswitch.links.underlay import Underlay
from farswitch.model.settings import Settings
from farswitch.model.switch import ObservedSwitch, Switch, parse_switch
from farswitch.run.cli import Options, main
from farswitch.run.interrupts import ctrl_c_ends
from farswitch.run.locking import fenced, locked
from farswitch.run.print_report import console_for
from farswitch.run.print_switch_bench import entry_of, print_bench
from farswitch.run.session import Session
from farswitch.run.switch_bench_words import BenchExtent, BenchWords
from farswitch.state.record import Record, read_all
from farswitch.status.observed import ServerLook
from farswitch.switch_bench.compile import check_machine, compile_generator
from farswitch.switch_bench.figures import SwitchFigures
from farswitch.switch_bench.ports import bench_cluster, bench_name
from farswitch.switch_bench.trials import BARE
from farswitch.switch_bench.underlay import BareUnderlay
from workflows.lab_up import ensure_lab
from workflows.look import look
from workflows.switch_bench_busy import refuse_busy
from workflows.switch_bench_stages import SwitchBenchStages
from workflows.switch_use import chosen

UNDERLAY = "bare underlay"
"""What the measuring without a switch is called: no name that a site can give one."""
OPENVSWITCHES: Sequence[object] = ("openvswitch", {"openvswitch": {"datapath": "netdev"}})
"""As which Open vSwitch is measured where no site names it: in the kernel, or else its daemon."""


def switches_of(settings: Settings, names: Sequence[str]) -> dict[str, Switch]:
    """Return the switches that are named; without names the site's, all of `switches`, and bridge.

    Raises:
        ConfigError: There is none of that name.
    """
    if names:
        return {name: chosen(settings, name).adapter for name in dict.fromkeys(names)}
    named = {settings.switch.kind: settings.switch, **dict(settings.switches)}
    return named | {"bridge": parse_switch("bridge")}


@main("switch-bench")
def bench(options: Options, extent: BenchWords) -> int:
    """Measure and report."""
    wanted, stop = extent.parse(), Event()
    with Session("switch-bench", options) as session:
        switches = switches_of(session.site.settings, wanted.names)
        program = compile_generator()
        ensure_lab(session)
        with locked(session, cluster=bench_name(session.cluster.name)), ctrl_c_ends(stop.set):
            session.read_record()
            stages = prepared(session, wanted, program, stop)
            if stages:
                SwitchBenchRun(session, stages).all(switches, also=not wanted.names)
        if stop.is_set():
            raise KeyboardInterrupt
        return session.finish()


def prepared(
    session: Session, extent: BenchExtent, program: bytes, stop: Event
) -> SwitchBenchStages | None:
    """Look at the servers, and refuse what cannot be; None where a server did not answer."""
    looks, cluster = look(session), session.cluster
    if len(looks) < len(cluster.servers):
        return None
    refuse_busy(session, looks)
    name, hosts = bench_name(cluster.name), session.nornir.inventory.hosts
    records = {server: read_all(shell(hosts[server])) for server in looks}
    if any(name in kept for kept in records.values()):
        raise ConfigError(
            f"There is a cluster '{name}' on the servers, which is what the bench's own ports of "
            f"'{cluster.name}' would be called.",
            hint="Name one of both otherwise: 'cluster' in defaults.yaml.",
        )
    own = bench_cluster(cluster, set(vnis(looks, name)) | set(recorded(records.values())))
    underlays = {server.name: underlay_of(looks[server.name]) for server in own.servers}
    built = session.record.mtu if session.record else 0
    mtu = derive(cluster.settings.mtu, list(underlays.values()), built)
    home = own.hypervisors[0].name
    check_machine(home, shell(hosts[home]).run(("uname", "-m")).stdout.strip())
    return SwitchBenchStages(
        cluster=own,
        underlays=underlays,
        mtu=mtu,
        program=program,
        sizes=extent.sizes_for(mtu),
        tests=extent.tests,
        seconds=extent.seconds,
        switch_host=hosts[own.switch.name],
        stop=stop,
        progress=session.progress,
    )


Measurement = tuple[Mapping[str, str], SwitchFigures | str]
"""What an adapter says of its switch, and what was measured of it, or why nothing was."""


@dataclass(frozen=True, slots=True)
class SwitchBenchRun:
    """One run, switch after switch."""

    session: Session
    stages: SwitchBenchStages

    def all(self, switches: Mapping[str, Switch], *, also: bool) -> None:
        """Measure the bare underlay, then each switch; nothing of it is left at the end.

        `also` Open vSwitch is measured, where the server has it.
        """
        session, stages, found = self.session, self.stages, {}
        session.run(fenced(session, stages.removal()))
        try:
            session.run(fenced(session, stages.settings()))
            if not session.recorder.failures:
                found = self._each(self._with_openvswitch(switches) if also else switches)
        finally:
            session.nornir.data.reset_failed_hosts()
            session.run(fenced(session, stages.end()), on_failed=True)
        ports = len(stages.cluster.guests)
        session.recorder.extras["bench"] = entry = entry_of(
            found, seconds=stages.seconds, mtu=stages.mtu, ports=ports
        )
        session.end_view()
        print_bench(console_for(as_json=session.options.json), entry)

    def _each(self, switches: Mapping[str, Switch]) -> dict[str, Measurement]:
        found: dict[str, Measurement] = {}
        bare: dict[int, float] = {}
        if set(BARE) & set(self.stages.tests):
            found[UNDERLAY] = self._one(UNDERLAY, BareUnderlay(), {})
            figures = found[UNDERLAY][1]
            if isinstance(figures, SwitchFigures):
                bare = {load.size: load.throughput for load in figures.loads}
        for name, adapter in switches.items():
            if not self.stages.stop.is_set():
                found[name] = self._one(name, adapter, bare)
        return found

    def _with_openvswitch(self, switches: Mapping[str, Switch]) -> dict[str, Switch]:
        """Return the switches, and Open vSwitch where the server has it and the site names none."""
        if any(one.kind == "openvswitch" for one in switches.values()):
            return dict(switches)
        why = ""
        for adapter in map(parse_switch, OPENVSWITCHES):
            cluster = self.stages.cluster.with_switch(adapter)
            try:
                have = adapter.observe(self.stages.switch_host, cluster.owner)
                adapter.plan(have, cluster.switch_ports(self.stages.mtu), cluster.owner)
            except FarswitchError as error:
                why = str(error)
            else:
                return {**switches, "openvswitch": adapter}
        self.session.note(f"Open vSwitch was left out: {why}")
        return dict(switches)

    def _one(self, name: str, adapter: Switch, bare: Mapping[int, float]) -> Measurement:
        """Build the ports with a switch, measure it, and take all of it away."""
        session, stages = self.session, self.stages
        cluster = stages.cluster.with_switch(adapter)
        before = len(session.recorder.failures)
        about: Mapping[str, str] = {}
        if session.run(fenced(session, stages.build(cluster))):
            held: ObservedSwitch = session.result("switch", cluster.switch.name)
            about = held.description
            session.run(fenced(session, [stages.measuring(name, cluster, bare)]))
        session.nornir.data.reset_failed_hosts()
        session.run(fenced(session, stages.removal()), on_failed=True)
        figures = session.recorder.results.get((f"bench {name}", cluster.hypervisors[0].name))
        if isinstance(figures, SwitchFigures):
            return about, figures
        errors = [failure.error for failure in session.recorder.failures[before:]]
        return about, errors[0] if errors else "It was not measured."


def underlay_of(found: ServerLook) -> Underlay:
    """Return a server's side of the underlay.

    Raises:
        FarswitchError: It is not what the site says.
    """
    if isinstance(found.underlay, FarswitchError):
        raise found.underlay
    return found.underlay


def vnis(looks: Mapping[str, ServerLook], name: str) -> Iterator[int]:
    """Yield the VNIs of all tunnels on the servers but those of an earlier bench's."""
    for found in looks.values():
        for link in found.links:
            if link.vxlan and not link.alias.startswith(f"farswitch:{name}:"):
                yield link.vxlan.vni


def recorded(records: Any) -> Iterator[int]:
    """Yield the VNIs of all clusters that are recorded on the servers."""
    for kept in records:
        for record in kept.values():
            if isinstance(record, Record):
                yield from (place.vni for place in record.places.values())
