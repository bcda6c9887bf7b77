"""One run of all attacks between guests that are given, with the verdicts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC, Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.fan_out import each_or_raise
from farswitch.proof.frame_counts import TOKEN_BYTES
from tasks.checks.attack.expected import guest_attacks, outside_attacks
from tasks.checks.attack.forged_tunnels import outside_streams
from tasks.checks.attack.from_guest import guest_streams
from tasks.checks.attack.judge import judge, judge_legitimate, legitimate
from tasks.checks.attack.kinds import Kind, Outside, ServerAddresses, attack_pairs
from tasks.checks.attack.traffic import Sender, send_and_count

THIRD = "a third host"


@dataclass(frozen=True, slots=True)
class Third:
    """A third host on the underlay, and the way into it."""

    outside: Outside
    shell: Shell


def survey(
    cluster: Cluster, devices: Mapping[str, str], shells: Mapping[str, Shell]
) -> ServerAddresses:
    """Read the MACs that frames to the servers are addressed to.

    Raises:
        FarswitchError: An interface is not there.
    """

    def read(name: str) -> list[str]:
        gateway = cluster.server(name).role == "hypervisor"
        nics = [devices[name], *([cluster.management_bridge] if gateway else [])]
        return [_mac(shells[name], nic) for nic in nics]

    macs: dict[str, str] = {}
    gateways: dict[str, str] = {}
    for name, (mac, *gateway) in each_or_raise(devices, read).items():
        macs[name] = mac
        if gateway:
            gateways[name] = gateway[0]
    return ServerAddresses(cluster, devices, macs, gateways)


def _mac(shell: Shell, nic: str) -> str:
    (link,) = json.loads(shell.run(["ip", "-j", "link", "show", "dev", nic]).stdout)
    return str(link.get("address", ""))


def attack(
    servers: ServerAddresses,
    guests: Sequence[Guest],
    shells: Mapping[str, Shell],
    third: Third | None,
    fix: str,
) -> Iterator[Check]:
    """Let each guest attack the next one, and the third host both servers, and judge."""
    token, pairs = secrets.token_bytes(TOKEN_BYTES), attack_pairs(guests)
    senders = [
        Sender(one.attacker.name, shells[one.attacker.name], guest_streams(servers, one, token))
        for one in pairs
    ]
    closed = [name for name, mac in servers.macs.items() if not mac]
    if third and closed:
        third = None
        for name in closed:
            why = f"{servers.devices[name]} has no Ethernet, so no third host is on it"
            yield skipped(Kind.THIRD_HOST.check, name, why, "no frame of a third host")
    if third:
        streams = outside_streams(servers, third.outside, token)
        senders.append(Sender(THIRD, third.shell, streams))
    places: dict[str, Sequence[str]] = {server.name: () for server in servers.cluster.servers}
    places |= {guest.name: (DATA_NIC, MANAGEMENT_NIC) for guest in guests}
    sent, counted = send_and_count(token, senders, places, lambda name: shells[name])
    wanted = [*guest_attacks(servers, guests, pairs)]
    if third:
        outside = list(outside_attacks(servers, guests, pairs))
        yield from unjudged(servers.cluster, {one.host for one in outside})
        wanted += outside
    for one in wanted:
        yield judge(one, sent.get(one.label), counted, fix)
    for pair in pairs:
        yield judge_legitimate(pair, sent.get(legitimate(pair)), counted, fix)


def unjudged(cluster: Cluster, judged: Collection[str]) -> Iterator[Check]:
    """Yield a skip for each server whose tunnels no guest uses: nothing shows that one listens."""
    for server in cluster.servers:
        if server.name not in judged:
            lost = [guest.name for guest in cluster.guests_of(server.name)]
            why = f"of its guests none answers ({', '.join(lost)})" if lost else "it has no guest"
            yield skipped(Kind.THIRD_HOST.check, server.name, why, "no frame of a third host")
