"""Hosts that are not there: transports that answer after a while, what a built cluster answers.

They stand where Nornir's connection plugins do, so that all of farswitch but the way to its hosts
is what runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from nornir.core.plugins.connections import ConnectionPluginRegister

from farswitch.connections.access import register
from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.connections.shell.base import FACTS, REPLACE, Shell
from farswitch.connections.shell.begin import MARK
from farswitch.connections.shell.protocol import Raw
from farswitch.connections.shell.together import TOGETHER
from farswitch.firewall import guest as firewall
from farswitch.guests import mpich, share_state
from farswitch.guests.config import GuestConfig, wanted_configs
from farswitch.guests.domain import Hardware, Mark, render
from farswitch.guests.files.mpi import DEVICE
from farswitch.guests.files.ssh import login_files, secret_files
from farswitch.guests.observed import MTU
from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.machines import Guest
from farswitch.remote import script
from farswitch.state.record import Record
from tasks.checks.guest import hosts_file

BOOTED = script("guest_booted")


@dataclass(slots=True)
class SlowWay:
    """The way to guests: a round trip takes `seconds`.

    `trips` counts them, and `threads` has the most that this process had at one.
    """

    seconds: float
    trips: int = 0
    threads: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def cross(self) -> None:
        """Take the time of a request and its answer."""
        with self._lock:
            self.trips += 1
            self.threads = max(self.threads, threading.active_count())
        time.sleep(self.seconds)


class AnsweringGuest(Shell):
    """A guest that was built: it has its files, and an end of the boot to report."""

    def __init__(
        self, way: SlowWay, guest: Guest, config: GuestConfig, files: Iterable[File], mtu: int
    ) -> None:
        super().__init__(guest.name, user="root", sudo=False)
        self._way, self._guest, self._share, self._mtu = way, guest, config.share, mtu
        self._files = {file.path: file for file in files}

    def compose(self, argv: Sequence[str], timeout: float | None = None) -> list[str]:  # noqa: ARG002
        """Return the command bare: what goes around it is for a real shell."""
        return list(argv)

    def execute(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:  # noqa: ARG002
        """Answer a command, after a while.

        Raises:
            KeyError: It is none that a guest is asked.
        """
        self._way.cross()
        _, _, text, _, *arguments = argv
        if text == REPLACE:
            path, mode, owner, _ = arguments
            self._files[path] = File(path, stdin, int(mode, 8), owner)
            return Raw(0, MARK, MARK)
        if text != TOGETHER:
            return Raw(0, MARK + self._answer(text, arguments).encode(), MARK)
        mark, *words = arguments
        answers = [self._answer(text, own) for text, *own in _scripts(words)]
        ends = f"{mark} 0\n"
        stdout = "".join(f"{answer}{ends}" for answer in answers)
        return Raw(0, MARK + stdout.encode(), MARK + ends.encode() * len(answers))

    def _answer(self, text: str, arguments: Sequence[str]) -> str:
        """Return what a script prints: that of the end of a boot, or one of a look."""
        share, guest = self._share, self._guest
        (unit, *_), (state, *_) = share_state.scripts(share)
        exported = f"folder {share.user}\nexport {share.path} {share.network}(rw,root_squash)\n"
        answers: dict[str, Callable[[], str]] = {
            FACTS: lambda: self._digests(arguments[1:]),
            BOOTED: lambda: f"running\n{guest.name}\n{self._addresses()}{self._links()}",
            MTU: lambda: f"{self._mtu}\n",
            firewall.LOOK: lambda: '=== nft\n{"nftables": []}\n',
            mpich.SCRIPT[0]: lambda: f"MPICH Device: {DEVICE}\nfinalize: yes\n",
            unit: lambda: "active\n",
            state: lambda: exported if share.exports else "",
            hosts_file.LOOK: lambda: self._resolved(arguments),
        }
        return answers[text]()

    def _digests(self, paths: Sequence[str]) -> str:
        """Return what file_facts.sh prints, with digests."""
        there = [self._files[path] for path in paths if path in self._files]
        flags = "".join(f"{int(path in self._files)}\n" for path in paths)
        stats = "".join(
            f"{len(one.content)} {0o100000 | one.mode:x} {one.owner}\n" for one in there
        )
        sums = "".join(f"{one.sha256} *{one.path}\n" for one in there)
        return f"{flags}{stats}{sums}"

    def _resolved(self, arguments: Sequence[str]) -> str:
        """Return the hosts file, and what it makes of each name."""
        path, *names = arguments
        text = self._files[path].content.decode()
        known = {name: address for address, name, *_ in map(str.split, text.splitlines())}
        lines = "".join(f"{known[name]} {name}\n" for name in names)
        return f"{text}\n{hosts_file.RESOLVED}\n{lines}"

    def _addresses(self) -> str:
        nics = (
            ("data0", self._guest.data_address),
            ("mgmt0", self._guest.management_address),
        )
        return "".join(
            f"{number}: {nic}    inet {address} scope global {nic}\n"
            for number, (nic, address) in enumerate(nics, start=2)
        )

    def _links(self) -> str:
        macs = (("data0", self._guest.data_mac), ("mgmt0", self._guest.management_mac))
        return "".join(
            f"{number}: {nic}: <UP,LOWER_UP> link/ether {mac} brd ff:ff:ff:ff:ff:ff\n"
            for number, (nic, mac) in enumerate(macs, start=2)
        )

    def launch(self, argv: Sequence[str]) -> NoReturn:
        """Start nothing: no guest is asked to."""
        raise NotImplementedError(argv)

    def channel(self, address: str, port: int, *, timeout: float) -> NoReturn:
        """Lead nowhere."""
        raise NotImplementedError(address, port, timeout)

    def again(self) -> NoReturn:
        """Have one login."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


def _scripts(words: list[str]) -> Iterator[list[str]]:
    """Yield the scripts of a command that runs several, each with its arguments."""
    while words:
        count = int(words[0])
        yield words[1 : count + 1]
        words = words[count + 1 :]


class AnsweringHypervisor:
    """libvirt of a server whose guests are there and run; it answers at once."""

    versions: Mapping[str, str] = {}

    def __init__(self, guests: Iterable[Guest], hardware: Hardware) -> None:
        self._domains: dict[str, DomainState] = {}
        self._volumes: dict[str, VolumeState] = {}
        for guest in guests:
            mark = Mark(guest.settings.cluster, guest.name, "ready", hardware.image.name, disk=1)
            disk = mark.disk_volume
            self._volumes[disk] = VolumeState(disk, 1 << 30, disk, complete=True, ours=True)
            self._domains[guest.domain] = DomainState(
                guest.domain, "", "running", persistent=True,
                xml=render(guest, mark, hardware, seed=False),
                cluster=mark.cluster, guest=guest.name,
            )  # fmt: skip

    def domain(self, name: str) -> DomainState | None:
        """Return a domain."""
        return self._domains.get(name)

    def volume(self, _pool: str, name: str, *, anew: bool = False) -> VolumeState | None:  # noqa: ARG002
        """Return a guest's disk."""
        return self._volumes.get(name)

    def delete_volume(self, _pool: str, _name: str) -> bool:
        """Find no seed of a guest that is ready."""
        return False


def answering_guests(
    way: SlowWay, built: Cluster, record: Record, mtu: int
) -> dict[str, AnsweringGuest]:
    """Return the guests of a cluster that was built, by their names.

    What many of them have in their files is there once, as it would be on machines of their own.
    """
    configs, guests, seen = wanted_configs(built, record), {}, dict[File, File]()
    for guest in built.guests:
        config = configs[guest.name]
        files = (
            *config.public_files(finalize=True),
            *login_files(config.access),
            *secret_files(config.access),
        )
        own = [seen.setdefault(file, file) for file in files]
        guests[guest.name] = AnsweringGuest(way, guest, config, own, mtu)
    return guests


@contextmanager
def answered_by(
    way: SlowWay, guests: Mapping[str, AnsweringGuest], hypervisor: AnsweringHypervisor
) -> Iterator[None]:
    """Let the connections of kind "shell" lead to these guests, those of "libvirt" to this server.

    A server's own shell is opened, and asked nothing.
    """

    class AnsweringShell:
        connection: AnsweringGuest | None = None

        def open(self, *_: object, extras: Mapping[str, Any], **__: object) -> None:
            self.connection = guests.get(extras["name"])
            if self.connection is not None:
                way.cross()

        def close(self) -> None:
            pass

    class AnsweringLibvirt:
        connection = hypervisor

        def open(self, *_: object, **__: object) -> None:
            pass

        def close(self) -> None:
            pass

    kinds: dict[str, Any] = {"shell": AnsweringShell, "libvirt": AnsweringLibvirt}
    for name, plugin in kinds.items():
        ConnectionPluginRegister.deregister(name)
        ConnectionPluginRegister.register(name, plugin)
    try:
        yield
    finally:
        for name in kinds:
            ConnectionPluginRegister.deregister(name)
        register()
