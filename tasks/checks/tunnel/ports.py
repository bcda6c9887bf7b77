"""Has each bridge the ports of its guests, and no others?"""

from __future__ import annotations

from collections.abc import Iterator

from farswitch.connections.netlink.links import Link, Port
from farswitch.links.ownership import owns
from farswitch.links.ports import differences
from farswitch.links.wanted import wanted_ports
from farswitch.model.cluster import Cluster
from farswitch.model.links import BridgePort
from farswitch.proof.check import Check
from tasks.checks.tunnel.observed import TunnelState

MEANING = {
    "isolated": "is isolated: it reaches no other isolated port",
    "learning": "does not learn addresses",
    "flood": "gets no broadcasts or frames to unknown addresses",
}


def judge_ports(cluster: Cluster, state: TunnelState, rebuild: str) -> Iterator[Check]:
    """Yield one verdict a wrong port of a server's bridges, or one a server that all are right.

    A guest that is off has no taps: that is no fault of the ports. Whether management taps are
    isolated has a check of its own.
    """
    want = wanted_ports(cluster, state.server)
    bad = [*_wanted(state, want, rebuild), *_foreign(cluster, state, want, rebuild)]
    yield from bad
    if not bad:
        names = {port.bridge for port in want}
        count = sum(link.master in names for link in state.links)
        yield Check(
            name="tunnel.ports",
            host=state.server.name,
            ok=True,
            measured=f"{count} ports in {len(names)} bridges, each of a guest",
            expected="a port for each guest, and no other port",
        )


def _wanted(state: TunnelState, want: tuple[BridgePort, ...], rebuild: str) -> Iterator[Check]:
    for port in want:
        link = state.link(port.name)
        if link is None and port.tap:
            continue
        for fault, cause in _faults(link, port):
            yield Check(
                name="tunnel.ports",
                host=state.server.name,
                ok=False,
                measured=f"{port.name} of {port.guest} {fault}",
                expected=f"{port.name} of {port.guest} is up in {port.bridge} and passes all",
                cause=cause,
                fix=_fix(state, link, port, rebuild),
            )


def _faults(link: Link | None, port: BridgePort) -> Iterator[tuple[str, str]]:
    if link is None:
        yield "is not there", "Somebody removed it, or the server was started anew since the build."
        return
    if not link.up:
        yield "is down", "Somebody or a network manager took it down."
    if link.master != port.bridge:
        where = f"is in {link.master or 'no bridge'} instead of {port.bridge}"
        yield where, "Somebody or a network manager moved it."
        return
    have = link.port or Port()
    for name, _found, _wanted in differences(have, isolated=port.isolated):
        if (name, port.isolated) != ("isolated", True):
            yield MEANING[name], "Somebody set this option of the bridge's port by hand."
    if link.up and link.running and not have.forwarding:
        yield "does not forward", "STP runs on the bridge, or the port was disabled by hand."


def _foreign(
    cluster: Cluster, state: TunnelState, want: tuple[BridgePort, ...], rebuild: str
) -> Iterator[Check]:
    places = {(port.name, port.bridge) for port in want}
    bridges = {port.bridge for port in want}
    if state.server.role == "hypervisor":
        bridges.add(cluster.management_bridge)
    for link in state.links:
        if link.master not in bridges or (link.name, link.master) in places:
            continue
        mends = link.kind in {"vxlan", "veth"} and owns(state.owner, link)
        leave = state.command(["ip", "link", "set", "dev", link.name, "nomaster"])
        yield Check(
            name="tunnel.ports",
            host=state.server.name,
            ok=False,
            measured=f"{link.name} is a port of {link.master} and belongs to no guest of it",
            expected=f"in {link.master} only ports of the cluster's guests",
            cause="Somebody plugged it in, or a guest was taken out of the site since the build.",
            fix=rebuild if mends else leave,
        )


def _fix(state: TunnelState, link: Link | None, port: BridgePort, rebuild: str) -> str:
    if port.tap and link is not None and link.master not in {None, port.bridge}:
        return state.command(["ip", "link", "set", "dev", port.name, "master", port.bridge])
    return rebuild if port.tap else state.repair(port.name, rebuild)
