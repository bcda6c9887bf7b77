"""What a proof may use: the cluster, the way to each of its hosts, and what is known so far."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, Protocol

from nornir.core.inventory import Host

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.netlink.plugin import Endpoint
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.pairing import Meetings, Pairing
from farswitch.state.record import Record

Where = Literal["servers", "hypervisors", "switch", "guests", "head"]
"""Which hosts something runs on, side by side."""


@dataclass(slots=True)
class Evidence:
    """What is known so far.

    Attributes:
        checks: The verdicts.
        underlays: The servers' ways to their peers, by the servers' names.
        lost: Hosts that cannot be logged in to, and why: later probes leave them alone.
        notes: Lines that are printed below the tables.
        measures: Figures for programs, by the family that took them.
        conclusion: The sentence that verify ends with.
    """

    checks: list[Check] = field(default_factory=list)
    underlays: dict[str, Underlay] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    measures: dict[str, list[dict[str, str | float]]] = field(default_factory=dict)
    conclusion: str = ""

    def lose(self, host: str, why: str) -> None:
        """Remember that a host cannot be logged in to; the first reason stays."""
        self.lost.setdefault(host, why)

    def failed(self, names: Sequence[str]) -> Check | None:
        """Return the first failed check of some names or families."""
        for check in self.checks:
            if check.ok is False and (check.name in names or check.family in names):
                return check
        return None


class ThirdHost(Protocol):
    """A host on the underlay that is neither server: `prefix` runs a program there."""

    @property
    def prefix(self) -> tuple[str, ...]: ...
    @property
    def nic(self) -> str: ...
    @property
    def mac(self) -> str: ...
    @property
    def address(self) -> IPv4Address: ...


@dataclass(frozen=True, slots=True)
class Context:
    """The cluster that is proved, and the way to every host of it.

    `mtu` is of the data network, in bytes, and `guest_mtu` of the guests' data NICs where those
    have a smaller one for the time of a measurement. `logins` is the ssh configuration that a build
    leaves to its user, and `rebuild` the command of that build: both for the fixes. `pairing`
    chooses whose proofs by pairs are made. `third_host` attaches a host to the underlay for the
    attacks; None where nobody has one.
    """

    cluster: Cluster
    record: Record
    mtu: int
    hosts: Mapping[str, Host]
    logins: Path
    rebuild: str = "python -m workflows.build"
    evidence: Evidence = field(default_factory=Evidence)
    pairing: Pairing = field(default_factory=Pairing)
    third_host: Callable[[], AbstractContextManager[ThirdHost]] | None = None
    guest_mtu: int | None = None

    @property
    def nic_mtu(self) -> int:
        """The MTU that the guests' data NICs are to have, in bytes of IP packet."""
        return self.mtu if self.guest_mtu is None else self.guest_mtu

    def on(self, where: Where) -> list[str]:
        """Return the names of the hosts that `where` means, those that are lost included."""
        cluster = self.cluster
        return {
            "servers": [server.name for server in cluster.servers],
            "hypervisors": [server.name for server in cluster.hypervisors],
            "switch": [cluster.switch.name],
            "guests": [guest.name for guest in cluster.guests],
            "head": [guest.name for guest in cluster.guests[:1]],
        }[where]

    def shell(self, name: str) -> Shell:
        """Return the login to a server or a guest, by its name."""
        return shell(self.hosts[name])

    def netlink(self, name: str) -> Endpoint:
        """Return the netlink endpoint of a server."""
        return netlink(self.hosts[name])

    def libvirt(self, name: str) -> Hypervisor:
        """Return the libvirt connection of a hypervisor."""
        return libvirt(self.hosts[name])

    def device(self, server: str) -> str:
        """Return the device of a server that leads to its peers."""
        return self.underlay(server).device

    def underlay(self, server: str) -> Underlay:
        """Return a server's side of the underlay, which `server.ready` found out.

        Raises:
            FarswitchError: It found that the server cannot be used.
        """
        if server not in self.evidence.underlays:
            raise FarswitchError(f"'{server}' could not be asked for its facts.")
        return self.evidence.underlays[server]

    def there(self) -> tuple[Guest, ...]:
        """Return the guests that answered so far."""
        lost = self.evidence.lost
        return tuple(guest for guest in self.cluster.guests if guest.name not in lost)

    def meetings(self) -> Meetings:
        """Return which of these guests meet in a proof by pairs, counted as they stand there."""
        return self.pairing.of(len(self.there()))

    def partners(self, guest: Guest) -> list[Guest]:
        """Return whom a guest that answered meets, in the order of the rounds."""
        there = self.there()
        return [there[one] for one in self.meetings().partners(there.index(guest))]

    def left_out(self, checks: Mapping[str, str]) -> Iterator[Check]:
        """Yield the skips of the guests that did not answer, for checks that all take part in."""
        for guest in self.cluster.guests:
            if why := self.evidence.lost.get(guest.name):
                for name, sentence in checks.items():
                    yield skipped(
                        name, guest.name, f"'{guest.name}' cannot be logged in to ({why})", sentence
                    )

    def command(self, host: str, argv: Sequence[str]) -> str:
        """Return the line that runs a program as root on a host, as one types it here."""
        line = shlex.join(argv)
        server = next((server for server in self.cluster.servers if server.name == host), None)
        if server is None:
            return f"ssh -F {shlex.quote(str(self.logins))} -l root {host} {shlex.quote(line)}"
        line = f"sudo {line}" if server.sudo else line
        if server.local:
            return line
        return f"ssh -F {shlex.quote(str(self.logins))} {host} {shlex.quote(line)}"
