"""What must hold for each attack: where its frames may not come in, and who must have counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC, Guest
from tasks.checks.attack.causes import cause_of
from tasks.checks.attack.kinds import AttackPair, Kind, Label, Place, ServerAddresses


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack that is judged.

    Attributes:
        label: Of its frames.
        host: The server that has to stop it.
        text: Who attacks whom.
        start: Where its frames are counted before any rule sees them.
        closed: Places where none may come in, and ...
        spared: ... the host whose interfaces do not count: the attacker's own.
        controls: Streams that are allowed, and where they must have been counted.
        silent: Addresses that nobody may tell the attacker the MAC of.
        cause: What should have stopped it.
    """

    label: Label
    host: str
    text: str
    start: Place
    closed: frozenset[Place]
    spared: str
    controls: tuple[tuple[Label, Place], ...]
    cause: str
    silent: tuple[str, ...] = ()


def guest_attacks(
    servers: ServerAddresses, guests: Sequence[Guest], attack_pairs: Sequence[AttackPair]
) -> Iterator[Attack]:
    """Yield every attack of a guest that has to be judged."""
    nics = frozenset(
        Place(guest.name, nic) for guest in guests for nic in (DATA_NIC, MANAGEMENT_NIC)
    )
    passed = {Kind.LEGITIMATE, Kind.UPWARD, Kind.THIRD_HOST}
    if servers.cluster.settings.management_forwarding:
        passed.add(Kind.BEYOND)
    for opponents in attack_pairs:
        for kind in Kind:
            if kind not in passed:
                yield _guest_attack(servers, nics, opponents, kind)


def _guest_attack(
    servers: ServerAddresses, nics: frozenset[Place], opponents: AttackPair, kind: Kind
) -> Attack:
    cluster, attacker, victim = servers.cluster, opponents.attacker, opponents.victim
    host = attacker.hypervisor
    bridge = Place(host, cluster.management_bridge)
    port = Place(cluster.switch.name, victim.tunnel)
    tunnels = {Place(victim.hypervisor, victim.tunnel)}
    own, next_ = Label(Kind.LEGITIMATE, attacker.index), Label(Kind.LEGITIMATE, victim.index)
    controls = [
        (own, Place(victim.name, DATA_NIC)),
        (Label(Kind.UPWARD, victim.index), Place(victim.name, MANAGEMENT_NIC)),
    ]
    closed: set[Place] = set()
    if kind in {Kind.SPOOF_MAC, Kind.SPOOF_ADDRESS}:
        closed.add(bridge)
        controls.append((Label(Kind.UPWARD, attacker.index), bridge))
    if kind is Kind.VNI_DIRECT:
        closed |= tunnels
        controls += [(own, place) for place in tunnels]
    if kind is Kind.VNI_NAT:
        closed.add(port)
        controls.append((next_, port))
    if kind is Kind.BEYOND:
        underlay = Place(cluster.switch.name, servers.devices[cluster.switch.name])
        closed.add(underlay)
        controls.append((own, underlay))
    return Attack(
        label=Label(kind, attacker.index),
        host=host,
        text=f"from {attacker.name} to {victim.name}",
        start=Place(host, attacker.management_tap),
        closed=nics | closed,
        spared=attacker.name,
        controls=tuple(controls),
        cause=cause_of(kind, cluster, attacker, victim),
        silent=(str(victim.management_address.ip), str(victim.data_address.ip))
        if kind is Kind.ARP
        else (),
    )


def outside_attacks(
    servers: ServerAddresses, guests: Sequence[Guest], attack_pairs: Sequence[AttackPair]
) -> Iterator[Attack]:
    """Yield the third host's attacks: one a server that has a tunnel of these guests."""
    nics = frozenset(Place(guest.name, DATA_NIC) for guest in guests)
    for number, server in enumerate(servers.cluster.servers):
        switch = server.role == "switch"
        here = [one for one in guests if switch or one.hypervisor == server.name]
        ends = {one.name: Place(server.name, one.tunnel) for one in here}
        # A port of the switch hears its own guest; a hypervisor's tunnel who sends to its guest and
        # the echoes of whom it asks.
        controls = tuple(
            (Label(Kind.LEGITIMATE, opponents.attacker.index), ends[one.name])
            for opponents in attack_pairs
            for one in (opponents.attacker, *(() if switch else (opponents.victim,)))
            if one.name in ends
        )
        if here:
            yield Attack(
                label=Label(Kind.THIRD_HOST, number),
                host=server.name,
                text=f"from a third host to {server.name}",
                start=Place(server.name, servers.devices[server.name]),
                closed=nics | frozenset(ends.values()),
                spared="",
                controls=controls,
                cause=cause_of(Kind.THIRD_HOST, servers.cluster),
            )
