"""The stages of `switch bench`: what servers need, ports with a switch, the measuring, the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from nornir.core.inventory import Host

from farswitch.firewall.traffic import wanted_flows
from farswitch.links.underlay import Underlay
from farswitch.links.wanted import wanted_bridges, wanted_ports, wanted_veths
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.run.stages import Filter, PerHost, Stage, is_switch, step
from farswitch.switch_bench.ports import FOLDER, bench_guard, bench_tunnels
from farswitch.switch_bench.trials import BARE
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
from workflows.teardown import server_stages


@dataclass(frozen=True, slots=True)
class SwitchBenchStages:
    """What the stages need to know.

    Attributes:
        cluster: The bench's own, with any switch.
        underlays: Of each of its servers.
        mtu: Of its ports, in bytes of IP packet.
        program: The compiled generator.
        sizes, tests, seconds: Of the trials.
        switch_host: The switch server's.
        stop: Set when no further trial is to begin.
        progress: Is told what is measured now.
    """

    cluster: Cluster
    underlays: Mapping[str, Underlay]
    mtu: int
    program: bytes
    sizes: Sequence[int]
    tests: Sequence[str]
    seconds: float
    switch_host: Host
    stop: Event
    progress: Callable[[str], None]

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
            switch_host=self.switch_host,
            sizes=self.sizes,
            tests=[test for test in self.tests if not is_bare or test in BARE],
            trial_seconds=self.seconds,
            bare=is_bare,
            underlay=bare,
            stop=self.stop,
            progress=lambda what: self.progress(f"{name}: {what}"),
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
