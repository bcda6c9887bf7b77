"""What a probe of verify is, and what it may use."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

from nornir.core.inventory import Host
from nornir.core.task import Task

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.netlink.plugin import Endpoint
from farswitch.connections.shell.protocol import Shell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.site.nornir_data import SERVER, server_of
from farswitch.state.record import Record

Where = Literal["servers", "hypervisors", "switch", "guests", "head"]
"""Which hosts a probe runs on, side by side; each may read the others' too."""


@dataclass(slots=True)
class Findings:
    """What the probes found so far, from many threads."""

    checks: list[Check] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """Hosts that cannot be logged in to, and why."""
    notes: list[str] = field(default_factory=list)
    conclusion: str = ""
    _lock: Lock = field(default_factory=Lock)

    def add(self, checks: Iterable[Check]) -> None:
        """Keep what a probe found."""
        with self._lock:
            self.checks += checks

    def lose(self, host: str, why: str) -> None:
        """Remember that a host cannot be logged in to: later probes leave it alone."""
        with self._lock:
            self.lost.setdefault(host, why)

    def note(self, line: str) -> None:
        """Add a line to what is printed below the tables."""
        with self._lock:
            self.notes.append(line)

    def conclude(self, sentence: str) -> None:
        """Set the sentence that verify ends with."""
        with self._lock:
            self.conclusion = sentence

    def failed(self, names: Sequence[str]) -> Check | None:
        """Return the first failed check of some names or families."""
        with self._lock:
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
class Scene:
    """The cluster that is proved, and the way to every host of it.

    `mtu` is of the data network, in bytes. `options` are those of the command line that change
    what a probe does. `logins` is the ssh configuration that a build leaves to its user, and
    `rebuild` the command of that build: both for the fixes. `third_host` attaches a host to the
    underlay for the attacks; None where nobody has one.
    """

    cluster: Cluster
    record: Record
    mtu: int
    hosts: Mapping[str, Host]
    logins: Path
    rebuild: str = "python -m workflows.build"
    findings: Findings = field(default_factory=Findings)
    third_host: Callable[[], AbstractContextManager[ThirdHost]] | None = None

    def shell(self, name: str) -> Shell:
        """Return the login to a server or a guest, by its name."""
        return shell(self.hosts[name])

    def netlink(self, name: str) -> Endpoint:
        """Return the netlink endpoint of a server."""
        return netlink(self.hosts[name])

    def libvirt(self, name: str) -> Hypervisor:
        """Return the libvirt connection of a hypervisor."""
        return libvirt(self.hosts[name])

    def there(self, guests: Sequence[Guest] | None = None) -> tuple[Guest, ...]:
        """Return the guests (all by default) that answered so far."""
        chosen = self.cluster.guests if guests is None else guests
        return tuple(guest for guest in chosen if guest.name not in self.findings.lost)

    def left_out(self, checks: Mapping[str, str]) -> Iterator[Check]:
        """Yield the skips of the guests that did not answer, for checks that all take part in."""
        for guest in self.cluster.guests:
            if why := self.findings.lost.get(guest.name):
                for name, sentence in checks.items():
                    yield skipped(
                        name, guest.name, f"'{guest.name}' cannot be logged in to ({why})", sentence
                    )

    def command(self, host: str, argv: Sequence[str]) -> str:
        """Return the line that runs a program as root on a host, as one types it here."""
        line = shlex.join(argv)
        if SERVER not in self.hosts[host].keys():  # noqa: SIM118 - a Nornir host is no mapping
            return f"ssh -F {shlex.quote(str(self.logins))} -l root {host} {shlex.quote(line)}"
        server = server_of(self.hosts[host])
        line = f"sudo {line}" if server.sudo else line
        if server.local:
            return line
        return f"ssh -F {shlex.quote(str(self.logins))} {host} {shlex.quote(line)}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A measurement with the judgements that follow from it: one subject, one file.

    Attributes:
        on: Where it runs.
        checks: The names of all checks that it yields, each with a sentence of what is proved.
        run: Measures on one host and yields its checks. It may raise FarswitchError: each check
            that it did not get to has failed then.
        each: Those of the names that have a verdict, or a skip, for each guest by its name.
        guests: Whether it works with guests, though it runs elsewhere: those that do not answer
            are found out before.
        needs: Names or families of checks; where one failed, this probe is skipped.
        asked: Whether it runs only where its family is asked for, as the attacks do.
        writes: Whether it changes something that it puts back: a dry run leaves it out.
        vital: Whether it runs always, or wherever guests are worked with, as all others stand on
            it; unasked it tells failures only.
    """

    on: Where
    checks: Mapping[str, str]
    run: Callable[[Task, Scene], Iterable[Check]]
    each: frozenset[str] = frozenset()
    guests: bool = False
    needs: tuple[str, ...] = ()
    asked: bool = False
    writes: bool = False
    vital: Literal["", "always", "guests"] = ""

    @property
    def family(self) -> str:
        """The family of its first check."""
        return next(iter(self.checks)).partition(".")[0]

    @property
    def visits(self) -> bool:
        """Whether it works with guests."""
        return self.guests or self.on in {"guests", "head"}
