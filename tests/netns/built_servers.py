"""Two servers and a cluster's links on them by the build's own tasks, for faults made by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.core.task import Result
from nornir.plugins.runners import SerialRunner

from farswitch.connections.shell.local import LocalShell
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.checks.server import bridges, isolation, queues, switch
from tasks.checks.server import drift as server_drift
from tasks.checks.server import firewall as server_firewall
from tasks.checks.server import guard as server_guard
from tasks.checks.server import sysctl as server_sysctl
from tasks.checks.tunnel import fdb as tunnel_fdb
from tasks.checks.tunnel import probe as tunnel
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.sysctl import sysctl
from tasks.veth import veth
from tasks.vxlan import vxlan
from tests.netns.arguments import arguments
from tests.netns.inside import NetnsEndpoint
from tests.proving import checks_of

MTU = 1450
REBUILD = "build-again"
PROBES = [
    one.PROBE
    for one in (
        bridges, queues, switch, server_drift, server_firewall, server_guard, isolation,
        server_sysctl, tunnel, tunnel_fdb,
    )
]  # fmt: skip
SSH = """#!/bin/sh
# What `ssh -F FILE SERVER LINE` does, in the namespaces of the test.
shift 2; name=$1; shift
exec nsenter --target="$(cat "{folder}/$name")" --net --mount -- sh -c "$*"
"""


def sh(box: LocalShell, script: str, *words: str) -> str:
    return box.run(("sh", "-ec", script, "sh", *words)).stdout


def pid(box: LocalShell) -> str:
    return box.prefix[1].partition("=")[2]


@dataclass
class Net:
    """Two servers, and the far ends of the guests' taps in other namespaces."""

    context: Context
    boxes: dict[str, LocalShell]
    folder: Path

    @property
    def cluster(self) -> Cluster:
        return self.context.cluster

    def task(self, server: str, function: Callable[..., Result], **options: object) -> Result:
        host = self.context.hosts[server]
        inventory = Inventory(Hosts({server: host}), Groups(), Defaults())
        nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
        (result,) = nornir.run(function, **options)[server]
        if result.exception:
            raise result.exception
        return result

    def build(self) -> list[str]:
        """Run the build's own tasks on both servers and return the changes."""
        steps = (sysctl, guard, firewall_reset, bridge, veth, vxlan, bridge_ports, fdb)
        done = [
            self.task(server, step, **arguments(step, self.cluster, server, mtu=MTU))
            for server in ("server1", "server2")
            for step in steps
        ]
        return [line for one in done if one.changed for line in one.diff.splitlines()]

    def plug(self) -> None:
        """Plug all guests in; a tap that is there stays."""
        box = self.boxes["server1"]
        for tap, master, mac, name, home in plugs(self.cluster, apart="guests" not in self.boxes):
            far = self.boxes[home]
            mtu, isolated = (MTU, "off") if name[0] == "d" else (1500, "on")
            sh(box, f"ip link show dev {tap} >/dev/null 2>&1 && exit; ip link add {tap} mtu {mtu} "
               f"type veth peer name {name} mtu {mtu} address {mac} netns {pid(far)}; "
               f"ip link set {tap} master {master} up; "
               f"bridge link set dev {tap} isolated {isolated}")  # fmt: skip
            sh(far, f"ip link set {name} up")

    def checks(self, name: str) -> list[Check]:
        """Run the probe of a check wherever it runs."""
        (probe,) = (probe for probe in PROBES if name in probe.checks)
        found = checks_of(self.context, probe, chosen={name})
        assert found
        return found

    def failed(self, name: str) -> list[Check]:
        return [check for check in self.checks(name) if not check.ok]

    def follow(self, fix: str) -> None:
        """Do what a fix says, word for word; the build is this test's own."""
        path = f"{self.folder}:{os.environ['PATH']}"
        subprocess.run(["sh", "-c", fix], env={"PATH": path}, check=True, timeout=30)
        if REBUILD in fix:
            self.build()

    def mode(self, firewall: str) -> Net:
        """Return the same site with another mode of the firewall."""
        settings = self.cluster.settings.model_copy(update={"firewall": firewall})
        cluster = replace(self.cluster, settings=settings)
        return replace(self, context=replace(self.context, cluster=cluster))


def plugs(cluster: Cluster, *, apart: bool) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield tap, bridge, address, and name and namespace of the far end, for each NIC."""
    for guest in cluster.guests:
        home = guest.name if apart else "guests"
        data, management = ("data0", "mgmt0") if apart else (f"d{guest.vni}", f"m{guest.vni}")
        yield guest.data_tap, guest.bridge, guest.data_mac, data, home
        bridge = cluster.management_bridge
        yield guest.management_tap, bridge, guest.management_mac, management, home


def two_servers(
    boxes_of: Callable[[], LocalShell], folder: Path, *, apart: bool = False, **more: object
) -> Net:
    """Make two servers, and two guests whose NICs are in one namespace, or `apart` in two.

    `more` are settings of the site.
    """
    settings = Settings(cluster="t", **more)
    one = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
    two = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
    guests = tuple(Guest(f"node{at}", at, "server1", settings) for at in (1, 2))
    cluster = Cluster(settings, (one,), two, guests)
    homes = [guest.name if apart else "guests" for guest in guests]
    boxes = {name: boxes_of() for name in ("server1", "server2", *dict.fromkeys(homes))}
    for box in boxes.values():  # what speaks by itself moves entries of an FDB, static ones too
        sh(box, "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
    sh(boxes["server1"], f"ip link add u0 type veth peer name u0 netns {pid(boxes['server2'])}")
    hosts = {server.name: host_of(cluster, server, boxes[server.name]) for server in (one, two)}
    for name in hosts:
        (folder / name).write_text(pid(boxes[name]))
    for name, text in (("ssh", SSH.format(folder=folder)), (REBUILD, "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for guest, home in zip(guests, homes, strict=True):
        hosts[guest.name] = Host(guest.name, data={"guest": guest}, defaults=Defaults())
        hosts[guest.name].connections["shell"] = SimpleNamespace(connection=boxes[home])
    context = Context(cluster, None, MTU, hosts, folder / "ssh_config", REBUILD)
    for server in (one, two):
        underlay = Underlay(server.name, "u0", server.underlay, 1500, 50)
        context.evidence.underlays[server.name] = underlay
    return Net(context, boxes, folder)


def with_guests(boxes: Callable[[], LocalShell], folder: Path) -> Net:
    """Return two servers that are built, and two guests with their addresses at them."""
    net = two_servers(boxes, folder, apart=True)
    net.build()
    net.plug()
    for number in (1, 2):
        sh(net.boxes[f"node{number}"], f"ip addr replace 10.0.0.1{number}/24 dev data0")
    return net


def host_of(cluster: Cluster, server: Server, box: LocalShell) -> Host:
    sh(box, f"ip addr add {server.underlay}/24 dev u0; ip link set u0 up")
    data = {"cluster": cluster, "server": server}
    host = Host(name=server.name, data=data, defaults=Defaults())
    endpoint = NetnsEndpoint(server.name, f"/proc/{pid(box)}/ns/net")
    host.connections["netlink"] = SimpleNamespace(connection=endpoint)
    host.connections["shell"] = SimpleNamespace(connection=box)
    return host
