"""The network of a cluster on both servers of the lab, made by our tasks or by `ip -batch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nornir.core.inventory import Host

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.firewall.guard_wanted import wanted_guard
from farswitch.firewall.traffic import wanted_flows
from farswitch.lab import container
from farswitch.lab.addresses import Lab
from farswitch.links.ownership import complete
from farswitch.links.wanted import (
    wanted_bridges,
    wanted_forwarding,
    wanted_hops,
    wanted_ports,
    wanted_tunnels,
)
from farswitch.model.cluster import Cluster
from farswitch.model.links import Bridge, Tunnel
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, servers, step
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.links_remove import links_remove
from tasks.mtu import mtu
from tasks.sysctl import sysctl
from tasks.vxlan import vxlan

UNDERLAY = "eth1"
"""The lab's servers' device."""
MTU = 1450
"""What VXLAN leaves of 1500 (RFC 7348: 50 bytes over IPv4)."""
CALLS = tuple(f"net.bridge.bridge-nf-call-{kind}" for kind in ("iptables", "ip6tables"))
LIMIT = 300.0
"""Seconds that a step may take."""


class Plane:
    """The network of a cluster in the lab, made by either side.

    A `whole` one has the settings, the guard and the emptied firewall of a build, too.
    """

    def __init__(self, session: Session, *, whole: bool = False) -> None:
        self.session = session
        cluster = session.cluster
        owner = cluster.owner

        def on_server(wanted: Callable[..., Any], **more: Any) -> PerHost:
            return PerHost(lambda host: wanted(cluster, cluster.server(host.name), **more))

        tunnels = on_server(wanted_tunnels, device=UNDERLAY, mtu=MTU)
        guarded = on_server(wanted_guard, device=UNDERLAY)
        flows = on_server(wanted_flows, device=UNDERLAY)
        around = (
            step(sysctl, owner=owner),
            step(guard, owner=owner, want=guarded),
            step(firewall_reset, owner=owner, flows=flows),
        )
        self.steps = (
            *(around if whole else ()),
            step(bridge, bridges=on_server(wanted_bridges, mtu=MTU), owner=owner),
            step(vxlan, tunnels=tunnels, owner=owner),
            step(bridge_ports, ports=on_server(wanted_ports)),
            step(fdb, forwarding=on_server(wanted_forwarding), tunnels=tunnels, owner=owner),
            step(mtu, size=MTU, hops=on_server(wanted_hops)),
        )
        self.hosts = session.hosts(servers)
        self.took: dict[str, float] = {}
        """Seconds of each step of the last run, on the slower server."""

    def ours(self) -> int:
        """Make what is missing by our tasks, and return the number of changes."""
        return self._run(Stage(servers, self.steps))

    def removed(self) -> int:
        """Remove all by our task, and return how many interfaces that were."""
        return self._run(Stage(servers, (step(links_remove, owner=self.session.cluster.owner),)))

    def peer(self, lines: Callable[[Cluster, str], Iterator[str]]) -> None:
        """Have `ip -batch` carry out lines, on both servers side by side."""

        def carry_out(host: Host) -> None:
            text = "\n".join(lines(self.session.cluster, host.name))
            shell(host).run(["ip", "-batch", "-"], stdin=text, timeout=LIMIT)

        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(carry_out, self.hosts))

    def _run(self, stage: Stage) -> int:
        recorder = self.session.recorder
        before, began = recorder.changed, time.monotonic()
        if not self.session.run([stage]):
            raise FarswitchError("\n".join(failure.error for failure in recorder.failures))
        ends = {part.name: recorder.rows[part.name].ended for part in stage.steps}
        starts = (began, *ends.values())
        self.took = {
            name: end - start for (name, end), start in zip(ends.items(), starts, strict=False)
        }
        return recorder.changed - before


def batch(cluster: Cluster, server: str) -> Iterator[str]:
    """Yield what makes the same network by `ip`: as many requests, as few words."""
    of = cluster.server(server)
    bridges = wanted_bridges(cluster, of, mtu=MTU)
    tunnels = wanted_tunnels(cluster, of, device=UNDERLAY, mtu=MTU)
    for want in bridges:
        arp = "on" if want.arp else "off"
        yield (
            f"link add {want.name} arp {arp} group {cluster.owner.link_group} "
            "type bridge stp_state 0 forward_delay 0"
        )
        yield from _finish(want)
        if want.address:
            yield f"address add {want.address} dev {want.name}"
    for tunnel in (complete(tunnel, cluster.owner, (), server) for tunnel in tunnels):
        yield (
            f"link add {tunnel.name} mtu {MTU} group {tunnel.group} master {tunnel.master} "
            f"type vxlan id {tunnel.vni} local {tunnel.local} remote {tunnel.remote} "
            f"dev {tunnel.device} dstport {tunnel.port} nolearning"
        )
        yield from _finish(tunnel)


def _finish(want: Bridge | Tunnel) -> Iterator[str]:
    yield f"link set {want.name} mtu {want.mtu} alias {want.alias} addrgenmode none"
    yield f"link property add dev {want.name} altname {want.altname}"
    yield f"link set {want.name} up"


def removal(cluster: Cluster, _server: str) -> Iterator[str]:
    """Yield what removes it."""
    yield f"link delete group {cluster.owner.link_group}"


def make_by_hand(lab: Lab, cluster: Cluster) -> None:
    """Make the network on a lab's servers as `ip` does, and take all rules away."""
    for name, pid in container.find(lab).items():
        container.execute(pid, ["nft", "flush", "ruleset"])
        set_calls(pid, on=False)
        container.execute(pid, ["ip", "-batch", "-"], stdin="\n".join(batch(cluster, name)))


def unmake_by_hand(lab: Lab, cluster: Cluster) -> None:
    """Remove it again, and restore the servers' own rules."""
    for name, pid in container.find(lab).items():
        container.execute(pid, ["ip", "-batch", "-"], stdin="\n".join(removal(cluster, name)))
        set_calls(pid, on=True)
        for program, file in (("iptables-nft-restore", "v4"), ("ip6tables-nft-restore", "v6")):
            container.execute(pid, [program, f"/etc/iptables/rules.{file}"])


def set_calls(pid: int, *, on: bool) -> None:
    """Set whether bridged frames pass iptables' hooks in a network namespace."""
    container.execute(pid, ["sysctl", "-qw", *(f"{key}={int(on)}" for key in CALLS)])
