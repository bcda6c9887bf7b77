"""The switch alone, all kinds side by side: what `farswitch switch bench` does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from nornir.core.inventory import Host

from farswitch.connections.access import netlink, shell
from farswitch.connections.netlink.links import dump
from farswitch.deadline import Deadline
from farswitch.errors import ConfigError, FarswitchError
from farswitch.firewall.traffic import wanted_flows
from farswitch.links.mtu import derive
from farswitch.links.underlay import Underlay
from farswitch.links.wanted import wanted_bridges, wanted_ports, wanted_veths
from farswitch.lock.agent import held_by
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.model.settings import Settings
from farswitch.model.switch import ObservedSwitch, Switch, parse_switch
from farswitch.proof.fan_out import each
from farswitch.run.cli import Options, main
from farswitch.run.interrupts import ctrl_c_ends
from farswitch.run.locking import fenced, locked
from farswitch.run.print_report import console_for
from farswitch.run.print_switch_bench import entry_of, print_bench
from farswitch.run.session import Session
from farswitch.run.stages import Filter, PerHost, Stage, is_switch, step
from farswitch.state.record import Record, read_all
from farswitch.status.observed import ServerLook
from farswitch.switch_bench.busy import SECONDS as BETWEEN
from farswitch.switch_bench.busy import busy_ports, mpi_processes, packets
from farswitch.switch_bench.compile import check_machine, compile_generator
from farswitch.switch_bench.figures import SwitchFigures
from farswitch.switch_bench.frame_generator import CRC, LARGEST
from farswitch.switch_bench.ports import (
    FOLDER,
    bench_cluster,
    bench_guard,
    bench_name,
    bench_tunnels,
)
from farswitch.switch_bench.trials import BARE, SMALLEST, TESTS
from farswitch.switch_bench.underlay import BareUnderlay
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.links_remove import links_remove
from tasks.switch import switch
from tasks.switch_bench import switch_bench
from tasks.switch_remove import switch_remove
from tasks.sysctl import sysctl
from tasks.veth import veth
from tasks.vxlan import vxlan
from workflows.lab_up import ensure_lab
from workflows.look import look
from workflows.switch_use import chosen, running
from workflows.teardown import server_stages

SIZES = (64, 128, 256, 512, 1024, 1280)
"""Bytes of frames with their CRC (RFC 2544, 9.1); the largest that the MTU allows comes after."""
HEADER = 14 + CRC
"""Bytes of a frame around its IP packet."""
OPENVSWITCHES: Sequence[object] = ("openvswitch", {"openvswitch": {"datapath": "netdev"}})
"""As which Open vSwitch is measured where no site names it: in the kernel, or else its daemon."""


@dataclass(frozen=True, slots=True)
class BenchExtent:
    """What is to be measured: switches by name, sizes in bytes with the CRC, seconds of a trial."""

    names: Sequence[str]
    sizes: Sequence[int]
    seconds: float
    tests: Sequence[str]

    def sizes_for(self, mtu: int) -> list[int]:
        """Return the sizes for an MTU.

        Raises:
            ConfigError: One does not fit.
        """
        largest = mtu + HEADER
        for size in self.sizes:
            if size > largest:
                raise ConfigError(
                    f"Frames of {size} bytes do not fit: the MTU of the data network is {mtu}, so "
                    f"the largest has {largest}, its header and CRC included."
                )
        return list(self.sizes) or [*(size for size in SIZES if size < largest), largest]


@dataclass(frozen=True, slots=True)
class BenchWords:
    """What was asked for, as it was typed."""

    names: Sequence[str]
    frames: str
    seconds: float
    only: str

    def parse(self) -> BenchExtent:
        """Return what is meant.

        Raises:
            ConfigError: A word means nothing.
        """
        tests = parse_list(self.only, "--only", TESTS) if self.only else TESTS
        return BenchExtent(self.names, parse_sizes(self.frames), self.seconds, tests)


def parse_list(text: str, option: str, known: Sequence[str] = ()) -> list[str]:
    """Return the words of a list with commas, each once.

    Raises:
        ConfigError: One is none of the known ones.
    """
    words = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if known and word not in known:
            raise ConfigError(f"'{option}' has '{word}', wanted some of {', '.join(known)}.")
    return words


def parse_sizes(text: str) -> list[int]:
    """Return the sizes of frames.

    Raises:
        ConfigError: One is no number of bytes that a frame can have.
    """
    sizes = []
    for word in parse_list(text, "--frames") if text else ():
        if not word.isdecimal() or not SMALLEST <= int(word) <= LARGEST + CRC:
            raise ConfigError(
                f"'--frames' has '{word}', wanted bytes from {SMALLEST} to {LARGEST + CRC}, as in "
                "'--frames 64,512'."
            )
        sizes.append(int(word))
    return sizes


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
            run = SwitchBenchRun.prepared(session, wanted, program, stop)
            if run:
                run.all(switches)
        if stop.is_set():
            raise KeyboardInterrupt
        return session.finish()


@dataclass(frozen=True, slots=True)
class SwitchBenchRun:
    """One run: the bench's ports, and what is measured at them."""

    session: Session
    extent: BenchExtent
    cluster: Cluster
    underlays: Mapping[str, Underlay]
    mtu: int
    sizes: Sequence[int]
    program: bytes
    stop: Event

    @classmethod
    def prepared(
        cls, session: Session, extent: BenchExtent, program: bytes, stop: Event
    ) -> SwitchBenchRun | None:
        """Look at the servers, and refuse what cannot be; None where a server did not answer."""
        looks, cluster = look(session), session.cluster
        if len(looks) < len(cluster.servers):
            return None
        refuse_busy(session, looks)
        name, hosts = bench_name(cluster.name), session.nornir.inventory.hosts
        records = {server: read_all(shell(hosts[server])) for server in looks}
        if any(name in kept for kept in records.values()):
            raise ConfigError(
                f"There is a cluster '{name}' on the servers, which is what the bench's own ports "
                f"of '{cluster.name}' would be called.",
                hint="Name one of both otherwise: 'cluster' in defaults.yaml.",
            )
        own = bench_cluster(cluster, set(vnis(looks, name)) | set(recorded(records.values())))
        underlays = {server.name: underlay_of(looks[server.name]) for server in own.servers}
        built = session.record.mtu if session.record else 0
        mtu = derive(cluster.settings.mtu, list(underlays.values()), built)
        home = own.hypervisors[0].name
        check_machine(home, shell(hosts[home]).run(("uname", "-m")).stdout.strip())
        sizes = extent.sizes_for(mtu)
        return cls(session, extent, own, underlays, mtu, sizes, program, stop)

    def all(self, switches: Mapping[str, Switch]) -> None:
        """Measure the bare underlay, then each switch; nothing of it is left at the end."""
        session, found = self.session, {}
        session.run(fenced(session, self.removal()))
        try:
            session.run(fenced(session, self.settings()))
            if not session.recorder.failures:
                found = self._each(switches)
        finally:
            session.nornir.data.reset_failed_hosts()
            session.run(fenced(session, self.end()), on_failed=True)
        session.recorder.extras["bench"] = entry = entry_of(
            found, seconds=self.extent.seconds, mtu=self.mtu, ports=len(self.cluster.guests)
        )
        session.end_view()
        print_bench(console_for(as_json=session.options.json), entry)

    def _each(
        self, switches: Mapping[str, Switch]
    ) -> dict[str, tuple[Mapping[str, str], SwitchFigures | str]]:
        found: dict[str, tuple[Mapping[str, str], SwitchFigures | str]] = {}
        bare: dict[int, float] = {}
        if set(BARE) & set(self.extent.tests):
            found["underlay"] = self._one("underlay", BareUnderlay(), {})
            figures = found["underlay"][1]
            if isinstance(figures, SwitchFigures):
                bare = {load.size: load.throughput for load in figures.loads}
        for name, adapter in self._with_openvswitch(switches).items():
            if not self.stop.is_set():
                found[name] = self._one(name, adapter, bare)
        return found

    def _with_openvswitch(self, switches: Mapping[str, Switch]) -> dict[str, Switch]:
        """Return the switches, and Open vSwitch where the server has it and nobody named any."""
        if self.extent.names or any(one.kind == "openvswitch" for one in switches.values()):
            return dict(switches)
        host = self.session.nornir.inventory.hosts[self.cluster.switch.name]
        why = ""
        for adapter in map(parse_switch, OPENVSWITCHES):
            cluster = self.cluster.with_switch(adapter)
            try:
                have = adapter.observe(host, cluster.owner)
                adapter.plan(have, cluster.switch_ports(self.mtu), cluster.owner)
            except FarswitchError as error:
                why = str(error)
            else:
                return {**switches, "openvswitch": adapter}
        self.session.note(f"Open vSwitch was left out: {why}")
        return dict(switches)

    def _one(
        self, name: str, adapter: Switch, bare: Mapping[int, float]
    ) -> tuple[Mapping[str, str], SwitchFigures | str]:
        """Build the ports with a switch, measure it, and take all of it away."""
        session, cluster = self.session, self.cluster.with_switch(adapter)
        before = len(session.recorder.failures)
        about: Mapping[str, str] = {}
        if session.run(fenced(session, self.build(cluster))):
            held: ObservedSwitch = session.result("switch", cluster.switch.name)
            about = held.description
            session.run(fenced(session, [self.measuring(name, cluster, bare)]))
        session.nornir.data.reset_failed_hosts()
        session.run(fenced(session, self.removal()), on_failed=True)
        figures = session.recorder.results.get((f"bench {name}", cluster.hypervisors[0].name))
        if isinstance(figures, SwitchFigures):
            return about, figures
        errors = [failure.error for failure in session.recorder.failures[before:]]
        return about, errors[0] if errors else "It was not measured."

    def on(self, host: Host) -> bool:
        """Whether a host is one of the bench's servers."""
        return host.name in {server.name for server in self.cluster.servers}

    def is_home(self, host: Host) -> bool:
        """Whether a host is the hypervisor that sends and counts."""
        return host.name == self.cluster.hypervisors[0].name

    def server(self, host: Host) -> Server:
        """Return the server that a host is."""
        return self.cluster.server(host.name)

    def settings(self) -> Iterator[Stage]:
        """Yield what the servers need besides interfaces, as for any cluster."""
        owner, mode = self.cluster.owner, self.cluster.settings.firewall

        def flows(host: Host) -> Any:
            found = self.underlays[host.name]
            wanted = wanted_flows(self.cluster, self.server(host), found.device, found.below)
            return wanted if is_switch(host) else tuple(flow for flow in wanted if flow.udp)

        yield Stage(
            self.on,
            (
                step(sysctl, owner=owner),
                step(firewall_reset, owner=owner, mode=mode, flows=PerHost(flows)),
            ),
        )

    def build(self, cluster: Cluster) -> Iterator[Stage]:
        """Yield the ports, and the switch that holds them."""
        owner, mtu = cluster.owner, self.mtu

        def device(host: Host) -> str:
            return self.underlays[host.name].device

        def rules(host: Host) -> Any:
            return bench_guard(cluster, self.server(host), device(host))

        def tunnels(host: Host) -> Any:
            return bench_tunnels(cluster, self.server(host), device=device(host), mtu=mtu)

        def bridges(host: Host) -> Any:
            return wanted_bridges(cluster, self.server(host), mtu=mtu) if is_switch(host) else ()

        def ends(host: Host) -> Any:
            return wanted_veths(cluster, self.server(host), mtu=mtu)

        def ports(host: Host) -> Any:
            return wanted_ports(cluster, self.server(host)) if is_switch(host) else ()

        yield Stage(
            self.on,
            (
                step(guard, owner=owner, want=PerHost(rules)),
                step(bridge, bridges=PerHost(bridges), owner=owner),
                step(veth, ends=PerHost(ends), owner=owner),
                step(vxlan, tunnels=PerHost(tunnels), owner=owner),
                step(bridge_ports, ports=PerHost(ports)),
            ),
        )
        adapter, held = cluster.settings.switch, cluster.switch_ports(mtu)
        yield Stage(is_switch, (step(switch, adapter=adapter, ports=held, owner=owner),))

    def measuring(self, name: str, cluster: Cluster, bare: Mapping[int, float]) -> Stage:
        """Return the measuring itself, from the hypervisor."""
        is_bare = isinstance(cluster.settings.switch, BareUnderlay)
        one = step(
            switch_bench,
            name=f"bench {name}",
            ports=[(guest.tunnel, guest.data_mac) for guest in cluster.guests],
            program=self.program,
            path=f"{FOLDER}/{cluster.name}-generator",
            switch_host=self.session.nornir.inventory.hosts[cluster.switch.name],
            sizes=self.sizes,
            tests=[test for test in self.extent.tests if not is_bare or test in BARE],
            trial_seconds=self.extent.seconds,
            bare=is_bare,
            underlay=bare,
            stop=self.stop,
            progress=lambda what: self.session.progress(f"{name}: {what}"),
        )
        return Stage(self.is_home, (one,), vital=False)

    def removal(self) -> Iterator[Stage]:
        """Yield what takes switch and ports away, also those of a run that was killed."""
        owner = self.cluster.owner
        yield Stage(is_switch, (step(switch_remove, owner=owner),))
        yield Stage(self.on, (step(links_remove, name="links", owner=owner),))

    def end(self) -> Iterator[Stage]:
        """Yield what restores the servers."""
        on: Filter = self.on
        yield from server_stages(on, self.cluster.owner)


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


def refuse_busy(session: Session, looks: Mapping[str, ServerLook]) -> None:
    """Refuse to measure beside a job, or beside another run on the cluster.

    Raises:
        FarswitchError: There is one; nothing was touched.
    """
    cluster, hosts = session.cluster, session.nornir.inventory.hosts
    hint = "Run it when the cluster has nothing to do. Nothing was touched."
    for holder in held_by(shell(session.head_host)):
        if holder.cluster == cluster.name:
            raise FarswitchError(f"The cluster is worked on at the same time: {holder}.", hint=hint)
    if session.record is None:
        return
    guests = running(session, looks)
    said_by = each([one.name for one in guests], lambda name: mpi_processes(shell(hosts[name])))
    for name, said in said_by.items():
        if isinstance(said, FarswitchError):
            session.note(f"Whether a job runs on '{name}' is not known: {said}")
        elif said:
            raise FarswitchError(
                f"An MPI job runs on '{name}' (process {said[0]}), and the bench would disturb it.",
                hint=hint,
            )
    first = looks[cluster.switch.name]
    before = packets(cluster, first.links)
    Deadline(first.at + BETWEEN - time.monotonic()).wait(Event())
    with netlink(hosts[cluster.switch.name]).session() as ipr:
        links, at = dump(ipr), time.monotonic()
    if busy := busy_ports(before, packets(cluster, links), at - first.at):
        name, rate = max(busy.items(), key=lambda one: one[1])
        raise FarswitchError(
            f"There is traffic on the cluster: {rate:.0f} packets a second at the port of "
            f"'{name}', and the bench would disturb it.",
            hint=hint,
        )
