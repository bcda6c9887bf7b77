"""Frames in the form of another's tunnel: from a guest to servers, and from a third host."""

from __future__ import annotations

from ipaddress import IPv6Address

from farswitch.model.machines import Address, Guest, Server
from farswitch.proof.frames import BROADCAST, echo, link_local, payload, vxlan
from tasks.checks.attack.kinds import (
    ROUNDS,
    FrameStream,
    Kind,
    Label,
    Outside,
    Scope,
    ServerAddresses,
)


def vni_direct(scope: Scope) -> tuple[bytes, ...]:
    """To the hypervisor's own addresses; from the own address, and from the switch's."""
    cluster, opponents = scope.servers.cluster, scope.opponents
    here: Address = opponents.attacker.management_address.ip
    targets: list[tuple[Address, Address]] = [
        (here, cluster.management_gateway.ip),
        *((here, server.underlay) for server in _hypervisors(scope)),
        (cluster.switch.underlay, cluster.management_gateway.ip),
        *((cluster.switch.underlay, server.underlay) for server in _hypervisors(scope)),
    ]
    return _tunnelled(scope, Kind.VNI_DIRECT, targets)


def vni_nat(scope: Scope) -> tuple[bytes, ...]:
    """To the switch's underlay address, by way of the hypervisor."""
    here = scope.opponents.attacker.management_address.ip
    switch = scope.servers.cluster.switch.underlay
    return _tunnelled(scope, Kind.VNI_NAT, [(here, switch)])


def outside_streams(
    servers: ServerAddresses, outside: Outside, token: bytes
) -> tuple[FrameStream, ...]:
    """Return what the third host sends: to each server, in the form of each guest's tunnel."""
    cluster = servers.cluster
    found = []
    for number, server in enumerate(cluster.servers):
        guests = cluster.guests if server.role == "switch" else cluster.guests_of(server.name)
        if not guests:
            continue
        body = payload(token, Kind.THIRD_HOST, number)
        macs = (outside.mac, servers.macs[server.name])
        made = tuple(
            vxlan(macs, (outside.address, server.underlay), cluster.settings.udp_port, guest.vni,
                  inner)
            for guest in guests
            for inner in _inner(guest, guest, body)
        )  # fmt: skip
        label = Label(Kind.THIRD_HOST, number)
        found.append(FrameStream(label, outside.interface, made, max(ROUNDS, len(made))))
    return tuple(found)


def _tunnelled(scope: Scope, kind: Kind, ways: list[tuple[Address, Address]]) -> tuple[bytes, ...]:
    """Return the victim's tunnel's form of frames, from and to each pair of addresses.

    Where the two are of different versions of IP, the source is the attacker's own.
    """
    body, port = scope.body(kind), scope.servers.cluster.settings.udp_port
    opponents, macs = scope.opponents, (scope.own, scope.gateway)
    ends = dict.fromkeys((matching(scope, source, target), target) for source, target in ways)
    return tuple(
        vxlan(macs, pair, port, opponents.victim.vni, inner)
        for pair in ends
        for inner in _inner(opponents.attacker, opponents.victim, body)
    )


def _inner(sender: Guest, victim: Guest, body: bytes) -> tuple[bytes, bytes]:
    """Return frames of the data network: to the victim, and to everybody."""
    addresses = (sender.data_address.ip, victim.data_address.ip)
    return (
        echo((sender.data_mac, victim.data_mac), addresses, body),
        echo((sender.data_mac, BROADCAST), addresses, body),
    )


def matching(scope: Scope, source: Address, target: Address) -> Address:
    """Return the source, or where the target has another version of IP the attacker's own."""
    if source.version == target.version:
        return source
    own = scope.opponents.attacker.management_address.ip
    return link_local(scope.own) if isinstance(target, IPv6Address) else own


def _hypervisors(scope: Scope) -> tuple[Server, ...]:
    names = {scope.opponents.attacker.hypervisor, scope.opponents.victim.hypervisor}
    return tuple(one for one in scope.servers.cluster.hypervisors if one.name in names)
