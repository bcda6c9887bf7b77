"""The guests reach each other, all at the same time: what each found out, read and typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Hashable, Mapping

from nornir.core.task import Task
from pydantic import BaseModel, ValidationError

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Completed
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC
from farswitch.pace import patient, whole
from farswitch.proof.context import Context
from farswitch.remote import source

PAYLOAD = 256 << 10
"""Bytes to each peer: far above any MTU, and more than a socket buffers at first."""
ANSWER, PATIENCE, DEADLINE = 1.0, 6, 15
"""Seconds for an echo, for a connection, and until a guest waits for no peer any longer."""
SECONDS = 30
"""For the whole program, its start under emulation included."""


class Contact(BaseModel, frozen=True):
    """What one guest found out about another; an empty text means that it works.

    `exact` and `more` are packets of the MTU and of one byte more, `largest` is what passes. `tcp`
    and `ports` were tried only where the two meet.
    """

    icmp: bool
    exact: bool
    more: bool
    largest: int
    error: str
    tcp: str
    ports: Mapping[str, str]

    @property
    def key(self) -> Hashable:
        """What equal ones have in common: its ports make it no key itself."""
        ports = tuple(self.ports.items())
        return self.icmp, self.exact, self.more, self.largest, self.error, self.tcp, ports


class Visit(BaseModel, frozen=True):
    """What one guest found: the MTU of its own NIC, and its contacts by name."""

    mtu: int
    peers: Mapping[str, Contact]


def ports(cluster: Cluster) -> list[int]:
    """Return the first and the last port of the ranges that MPI uses."""
    ranges = (cluster.settings.mpi.launcher_ports, cluster.settings.mpi.payload_ports)
    return sorted({port for one in ranges for port in (one.first, one.last)})


def visit(task: Task, context: Context) -> Visit:
    """Let a guest ping all others that are there and connect to those it meets, as they do."""
    name = task.host.name
    addresses = {guest.name: str(guest.data_address.ip) for guest in context.there()}
    asked = {
        "name": name, "nic": DATA_NIC, "address": addresses[name], "mtu": context.nic_mtu,
        "peers": {other: to for other, to in addresses.items() if other != name},
        "meets": [guest.name for guest in context.partners(context.cluster.guest(name))],
        "ports": ports(context.cluster), "bytes": PAYLOAD,
        "answer": patient(ANSWER), "patience": patient(PATIENCE), "deadline": whole(DEADLINE),
    }  # fmt: skip
    argv = ["python3", "-", json.dumps(asked)]
    return parse(name, shell(task).run(argv, stdin=source("reach"), timeout=SECONDS, check=False))


def parse(name: str, ended: Completed) -> Visit:
    """Read what the program printed.

    Raises:
        FarswitchError: It printed nothing that we know: it ended early.
    """
    try:
        found = Visit.model_validate_json(ended.stdout)
    except ValidationError as error:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise FarswitchError(
            f"The test program on '{name}' ended with status {ended.status}: {last}",
            hint=f"Guest '{name}' needs python3, and an address on '{DATA_NIC}'.",
        ) from error
    alike: dict[Hashable, Contact] = {}  # of hundreds of peers nearly all are
    peers = {
        sys.intern(peer): alike.setdefault(contact.key, contact)
        for peer, contact in found.peers.items()
    }
    return Visit.model_construct(mtu=found.mtu, peers=peers)
