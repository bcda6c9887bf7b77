"""Throw-away network namespaces: two servers over a veth underlay, and guests plugged into them."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.plugins.runners import SerialRunner
from pyroute2 import IPRoute

from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.plugin import RelayEndpoint
from farswitch.connections.netlink.routes import route_to
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.links.underlay import Underlay, judge, peers
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof import path_mtu
from tasks.checks.reach import visit
from tests.netns.arguments import arguments

CLONE_NEWNET = 0x40000000
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
IP_HEADERS = 20 + 8
counter = itertools.count()
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> Any:
    """Run iproute2 and return what it says in JSON."""
    done = subprocess.run(["ip", "-j", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return json.loads(done.stdout or "[]")


def within(namespace: str, function: Callable[[], Any]) -> Any:
    """Call a function in a thread that is in a network namespace."""
    outcome: list[Any] = []

    def enter() -> None:
        descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if libc.setns(descriptor, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), namespace)
        finally:
            os.close(descriptor)
        outcome.append(function())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return outcome[0]


@dataclass
class Endpoint:
    """A netlink endpoint in a namespace."""

    host: str
    namespace: str

    @contextmanager
    def session(self) -> Iterator[IPRoute]:
        opened = within(
            self.namespace, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
        )
        with IPRoute(fileno=opened.detach(), ext_ack=True) as ipr:
            yield ipr


def ping(namespace: str, target: str, *, size: int = 84, timeout: float = 0.4) -> bool:
    """Send one ICMP echo of `size` bytes of IP packet that may not be fragmented."""

    def echo() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
            raw.settimeout(timeout)
            ident = (os.getpid() + next(counter)) & 0xFFFF
            body = struct.pack("!BBHHH", 8, 0, 0, ident, 1) + bytes(size - IP_HEADERS)
            words = struct.unpack(f"!{(len(body) + 1) // 2}H", body + bytes(len(body) % 2))
            total = sum(words)
            total = (total & 0xFFFF) + (total >> 16)
            checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
            raw.sendto(body[:2] + struct.pack("!H", checksum) + body[4:], (target, 0))
            try:
                while True:
                    answer = raw.recv(65536)[20:]
                    if answer[0] == 0 and struct.unpack("!H", answer[4:6])[0] == ident:
                        return True
            except TimeoutError:
                return False

    return bool(within(namespace, echo))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for packets no longer than namespaces need."""
    monkeypatch.setattr(visit, "PATIENCE", 1)
    monkeypatch.setattr(visit, "ANSWER", 0.3)
    monkeypatch.setattr(path_mtu, "PATIENCE", 0.2)


@pytest.fixture
def namespace() -> Iterator[Callable[[str], str]]:
    """Make namespaces that are gone after the test."""
    made: list[str] = []

    def make(name: str) -> str:
        full = f"fst{os.getpid()}-{next(counter)}-{name}"
        ip("netns", "add", full)
        made.append(full)
        ip("-n", full, "link", "set", "lo", "up")
        return full

    yield make
    for name in made:
        ip("netns", "del", name)


@dataclass
class TwoServers:
    """server1 (hypervisor) and server2 (switch), each a namespace, with guests of a cluster."""

    cluster: Cluster
    namespaces: dict[str, str]
    make: Callable[[str], str]
    remote: bool = False

    def endpoint(self, server: str) -> Endpoint | RelayEndpoint:
        inside = self.namespaces[server]
        if self.remote:
            shell = LocalShell(server, prefix=("ip", "netns", "exec", inside))
            return RelayEndpoint(server, shell)
        return Endpoint(server, inside)

    def ip(self, server: str, *words: str) -> Any:
        return ip("-n", self.namespaces[server], *words)

    def ip_of(self, namespace: str, *words: str) -> Any:
        return ip("-n", namespace, *words)

    def link(self, server: str, name: str) -> Any:
        return self.ip(server, "-d", "link", "show", "dev", name)[0]

    def settle(self, server: str, *names: str) -> None:
        """Wait for the carrier: the kernel announces it up to a second late (linkwatch)."""
        for name in names:
            wait_until(
                lambda name=name: self.link(server, name)["operstate"] == "UP",
                Deadline(5),
                what=f"The carrier of '{name}'",
            )

    def links(self, server: str) -> list[str]:
        return sorted(link["ifname"] for link in self.ip(server, "link"))

    def run(self, server: str, task: Callable[..., Any], **options: Any) -> Any:
        """Run a Nornir task on one server; what it raises is raised."""
        cluster = options.pop("cluster", self.cluster)
        values = {name: options.pop(name) for name in ("mtu", "device") if name in options}
        given = arguments(task, cluster, server, **values)
        data = {"cluster": cluster, "server": cluster.server(server)}
        host = Host(name=server, data=data, defaults=Defaults())
        host.connections["netlink"] = SimpleNamespace(connection=self.endpoint(server))
        inventory = Inventory(Hosts({server: host}), Groups(), Defaults())
        nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
        (result,) = nornir.run(task, **given, **options)[server]
        if result.exception:
            raise result.exception
        return result

    def underlay(self, name: str) -> Underlay:
        """Return what the underlay of a server is."""
        server = self.cluster.server(name)
        with self.endpoint(name).session() as ipr:
            routes = [
                (peer, route_to(ipr, peer.underlay, server.underlay))
                for peer in peers(self.cluster, server)
            ]
            return judge(server, dump(ipr), routes)

    def build(self, tasks: Sequence[Callable[..., Any]], *, mtu: int, **options: Any) -> int:
        """Run bridge-like and vxlan-like tasks on both servers; return the number of changes."""
        bridge, vxlan = tasks
        return sum(
            self.run(name, bridge, mtu=mtu, **options).count
            + self.run(name, vxlan, mtu=mtu, **options).count
            for name in self.namespaces
        )

    def plug(self, guest: Guest, *, mtu: int) -> str:
        """Make a namespace for a guest and plug it into its bridge with a veth for a tap."""
        name = self.make(guest.name)
        server = guest.hypervisor
        self.ip(
            server, "link", "add", guest.data_tap, "mtu", str(mtu), "type", "veth",
            "peer", "data0", "address", guest.data_mac, "mtu", str(mtu), "netns", name,
        )  # fmt: skip
        self.ip(server, "link", "set", guest.data_tap, "master", guest.bridge, "up")
        ip("-n", name, "addr", "add", str(guest.data_address), "dev", "data0")
        ip("-n", name, "link", "set", "data0", "up")
        return name


@contextmanager
def monitored(namespace: str, output: Path) -> Iterator[Callable[[], list[str]]]:
    """Watch links and addresses; the callable returns the lines since the start."""

    def saw(mtu: int) -> bool:
        # A change of the loopback says when the monitor listens, and when it has said all.
        ip("-n", namespace, "link", "set", "lo", "mtu", "65536")
        ip("-n", namespace, "link", "set", "lo", "mtu", str(mtu))
        return f" mtu {mtu} " in output.read_text()

    def seen() -> list[str]:
        wait_until(lambda: saw(60002), Deadline(5), what="The end of the monitor's lines")
        lines = output.read_text().splitlines()
        return [line for line in lines if not re.match(r"1: lo\b", line)]

    command = ["ip", "-n", namespace, "-o", "monitor", "link", "address"]
    with output.open("w") as stream, subprocess.Popen(command, stdout=stream) as process:
        try:
            wait_until(lambda: saw(60001), Deadline(5), what="The monitor's start")
            yield seen
        finally:
            process.terminate()


def a_cluster(*, guests: int, v6: bool = False, **settings: Any) -> Cluster:
    chosen = Settings(cluster="t", **settings)
    first, second = ("fd00:5::11", "fd00:5::12") if v6 else ("198.51.100.11", "198.51.100.12")
    return Cluster(
        settings=chosen,
        hypervisors=(Server("server1", "hypervisor", "server1", ip_address(first)),),
        switch=Server("server2", "switch", "server2", ip_address(second)),
        guests=tuple(
            Guest(f"node{number}", number, "server1", chosen) for number in range(1, guests + 1)
        ),
    )


@pytest.fixture
def two_servers(namespace: Callable[[str], str]) -> Callable[..., TwoServers]:
    """Make two servers with an underlay of a given MTU between them."""

    def make(*, guests: int = 2, v6: bool = False, mtu: int = 1500, **settings: Any) -> TwoServers:
        cluster = a_cluster(guests=guests, v6=v6, **settings)
        names = {server.name: namespace(server.name) for server in cluster.servers}
        one, two = names.values()
        ip("-n", one, "link", "add", "u0", "type", "veth", "peer", "u0", "netns", two)
        for server in cluster.servers:
            inside = names[server.name]
            width = "64" if v6 else "24"
            nodad = ["nodad"] if v6 else []
            address = f"{server.underlay}/{width}"
            ip("-n", inside, "addr", "add", address, "dev", "u0", *nodad)
            ip("-n", inside, "link", "set", "u0", "mtu", str(mtu), "addrgenmode", "none", "up")
        lab = TwoServers(cluster, names, namespace)
        for name in names:
            lab.settle(name, "u0")
        return lab

    return make


@pytest.fixture
def watch(tmp_path: Path) -> Callable[[str], AbstractContextManager[Callable[[], list[str]]]]:
    """Watch what the kernel announces of a namespace's interfaces."""
    return lambda namespace: monitored(namespace, tmp_path / f"monitor-{next(counter)}")


@pytest.fixture
def echo() -> Callable[..., bool]:
    """Send one ICMP echo."""
    return ping
