"""The guests reach each other, all at the same time: what each found out, read and typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from farswitch.connections.shell.protocol import Completed, ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Scene
from farswitch.remote import source

PAYLOAD = 256 << 10
"""Bytes to each peer: far above any MTU, and more than a socket buffers at first."""
ANSWER, PATIENCE, DEADLINE = 1.0, 6, 15
"""Seconds for an echo, for a connection, and until a guest waits for no peer any longer."""
SECONDS = 30
"""For the whole program, its start under emulation included."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What one guest found out about another; an empty text means that it works.

    `exact` and `more` are packets of the MTU and of one byte more, `largest` is what passes.
    """

    icmp: bool
    exact: bool
    more: bool
    largest: int
    error: str
    tcp: str
    ports: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """What one guest found: the MTU of its own NIC, and its contacts by name."""

    mtu: int
    contacts: Mapping[str, Contact]


def ports(cluster: Cluster) -> list[int]:
    """Return the first and the last port of the ranges that MPI uses."""
    ranges = (cluster.settings.mpi.launcher_ports, cluster.settings.mpi.payload_ports)
    return sorted({port for one in ranges for port in (one.first, one.last)})


def visit(scene: Scene) -> dict[str, Visit | FarswitchError]:
    """Let all guests that are there reach each other, all at the same time.

    Returns:
        What each found, or why it found nothing.
    """
    guests = {guest.name: guest for guest in scene.there()}
    addresses = {name: str(guest.data_address.ip) for name, guest in guests.items()}

    def call(name: str) -> Visit:
        asked = {
            "name": name, "nic": DATA_NIC, "address": addresses[name], "mtu": scene.mtu,
            "peers": {other: to for other, to in addresses.items() if other != name},
            "ports": ports(scene.cluster), "bytes": PAYLOAD,
            "answer": ANSWER, "patience": PATIENCE, "deadline": DEADLINE,
        }  # fmt: skip
        argv = ["python3", "-", json.dumps(asked)]
        ended = scene.shell(name).run(argv, stdin=source("reach"), timeout=SECONDS, check=False)
        return parse(name, ended)

    found = each(guests, call, at_once=len(guests))
    for name, one in found.items():
        if isinstance(one, ConnectionLostError):
            scene.findings.lose(name, one.cause)
    return found


def parse(name: str, ended: Completed) -> Visit:
    """Read what the program printed.

    Raises:
        FarswitchError: It printed nothing that we know: it ended early.
    """
    try:
        said = json.loads(ended.stdout)
        contacts = {
            peer: Contact(
                icmp=one["icmp"], exact=one["exact"], more=one["more"], largest=one["largest"],
                error=one["error"], tcp=one["tcp"], ports=one["ports"],
            )
            for peer, one in said["peers"].items()
        }  # fmt: skip
        return Visit(said["mtu"], contacts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise FarswitchError(
            f"The test program on '{name}' ended with status {ended.status}: {last}",
            hint=f"Guest '{name}' needs python3, and an address on '{DATA_NIC}'.",
        ) from error
