"""What a guest sends over both of its NICs, frame by frame. Nothing is read or sent here."""

from __future__ import annotations

from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC, Address
from farswitch.proof.frames import ALL_NODES, ALL_NODES_MAC, BROADCAST, arp, echo, link_local
from tasks.checks.attack.forged_tunnels import matching, vni_direct, vni_nat
from tasks.checks.attack.kinds import (
    EXTRA,
    ROUNDS,
    AttackPair,
    FrameStream,
    Kind,
    Label,
    Scope,
    ServerAddresses,
)


def guest_streams(
    servers: ServerAddresses, opponents: AttackPair, token: bytes
) -> tuple[FrameStream, ...]:
    """Return what a guest sends: what is legitimate, and meanwhile all its attacks."""
    scope = Scope(servers, opponents, token)
    made = {
        Kind.LEGITIMATE: _legitimate(scope),
        Kind.UPWARD: _upward(scope),
        Kind.PING: _ping(scope),
        Kind.ARP: _arp(scope),
        Kind.ROUTE: _route(scope),
        Kind.IPV6: _ipv6(scope),
        Kind.SPOOF_MAC: _spoof_mac(scope),
        Kind.SPOOF_ADDRESS: _spoof_address(scope),
        Kind.VNI_DIRECT: vni_direct(scope),
        Kind.VNI_NAT: vni_nat(scope),
        Kind.BEYOND: _beyond(scope),
    }
    allowed = (Kind.LEGITIMATE, Kind.UPWARD)
    return tuple(
        FrameStream(
            Label(kind, opponents.attacker.index),
            DATA_NIC if kind is Kind.LEGITIMATE else MANAGEMENT_NIC,
            found,
            ROUNDS + EXTRA if kind in allowed else ROUNDS,
        )
        for kind, found in made.items()
    )


def _legitimate(scope: Scope) -> tuple[bytes, ...]:
    here, there = scope.opponents.attacker, scope.opponents.victim
    macs = (here.data_mac, there.data_mac)
    return (echo(macs, (here.data_address.ip, there.data_address.ip), scope.body(Kind.LEGITIMATE)),)


def _upward(scope: Scope) -> tuple[bytes, ...]:
    here, gateway = _addresses(scope, up=True)
    return (echo((scope.own, scope.gateway), (here, gateway), scope.body(Kind.UPWARD)),)


def _ping(scope: Scope) -> tuple[bytes, ...]:
    """To the victim's own MAC, and to everybody's."""
    body, addresses = scope.body(Kind.PING), _addresses(scope)
    return tuple(echo((scope.own, mac), addresses, body) for mac in (scope.other, BROADCAST))


def _arp(scope: Scope) -> tuple[bytes, ...]:
    body, here = scope.body(Kind.ARP), scope.opponents.attacker.management_address.ip
    there = scope.opponents.victim.management_address.ip
    return tuple(
        arp((scope.own, mac), (scope.own, here), there, body) for mac in (BROADCAST, scope.other)
    )


def _route(scope: Scope) -> tuple[bytes, ...]:
    """To the victim's addresses by way of the gateway, as a static route would."""
    body, here = scope.body(Kind.ROUTE), scope.opponents.attacker.management_address.ip
    victim = scope.opponents.victim
    return tuple(
        echo((scope.own, scope.gateway), (here, there.ip), body)
        for there in (victim.management_address, victim.data_address)
    )


def _ipv6(scope: Scope) -> tuple[bytes, ...]:
    body, here = scope.body(Kind.IPV6), link_local(scope.own)
    return (
        echo((scope.own, ALL_NODES_MAC), (here, ALL_NODES), body),
        echo((scope.own, scope.other), (here, link_local(scope.other)), body),
    )


def _spoof_mac(scope: Scope) -> tuple[bytes, ...]:
    """As the victim, to everybody and to the gateway; with its address too, and without."""
    body, here = scope.body(Kind.SPOOF_MAC), scope.opponents.attacker.management_address.ip
    there = scope.opponents.victim.management_address.ip
    gateway = scope.servers.cluster.management_gateway.ip
    return (
        echo((scope.other, BROADCAST), (here, there), body),
        echo((scope.other, scope.gateway), (here, gateway), body),
        echo((scope.other, scope.gateway), (there, gateway), body),
        arp((scope.other, BROADCAST), (scope.other, there), gateway, body),
    )


def _spoof_address(scope: Scope) -> tuple[bytes, ...]:
    """As the victim to the gateway, and as the gateway to the victim."""
    body, there = scope.body(Kind.SPOOF_ADDRESS), scope.opponents.victim.management_address.ip
    gateway = scope.servers.cluster.management_gateway.ip
    return (
        echo((scope.own, scope.gateway), (there, gateway), body),
        echo((scope.own, scope.other), (gateway, there), body),
        arp((scope.own, BROADCAST), (scope.own, there), gateway, body),
        arp((scope.own, BROADCAST), (scope.own, gateway), there, body),
    )


def _beyond(scope: Scope) -> tuple[bytes, ...]:
    """To the switch itself, handed to the gateway."""
    there = scope.servers.cluster.switch.underlay
    source = matching(scope, scope.opponents.attacker.management_address.ip, there)
    return (echo((scope.own, scope.gateway), (source, there), scope.body(Kind.BEYOND)),)


def _addresses(scope: Scope, *, up: bool = False) -> tuple[Address, Address]:
    here, there = (
        scope.opponents.attacker.management_address.ip,
        scope.opponents.victim.management_address.ip,
    )
    return here, scope.servers.cluster.management_gateway.ip if up else there
