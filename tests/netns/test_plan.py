"""What a dry run lists is what the run then does, on two servers with a real kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups
from nornir.core.state import GlobalState
from nornir.plugins.runners import ThreadedRunner

from farswitch.connections.netlink.links import dump
from farswitch.connections.shell.local import LocalShell
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.run.cli import Options
from farswitch.run.plan import PlanLine
from farswitch.run.recorder import Recorder
from farswitch.run.report import Report
from farswitch.run.stages import Stage, run_stages, servers
from tests.netns.inside import NetnsEndpoint
from workflows.build import servers_stage
from workflows.teardown import server_stages

pytestmark = pytest.mark.root
SETTINGS = Settings(cluster="t")
ONE = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
WHOLE = Cluster(SETTINGS, (ONE,), TWO, tuple(
    Guest(f"node{number}", number, "server1", SETTINGS) for number in (1, 2, 3)
))  # fmt: skip
MTU = 1450
THEIRS = """
iptables-nft -A INPUT -s 10.3.0.0/16 -j DROP; iptables-nft -A FORWARD -j DROP
iptables-nft -P FORWARD DROP
nft 'add table inet mine'
nft 'add chain inet mine in { type filter hook input priority 5; policy drop; }'
nft 'add rule inet mine in accept'
"""
"""Rules and closed policies, which go and come back."""


def sized(nodes: int) -> Cluster:
    return replace(WHOLE, guests=WHOLE.guests[:nodes])


@dataclass
class Net:
    """Two servers that builds and teardowns are run on."""

    boxes: dict[str, LocalShell]

    def host(self, server: Server, group: Group) -> Host:
        box = self.boxes[server.name]
        inside = f"/proc/{box.prefix[1].partition('=')[2]}/ns/net"
        host = Host(server.name, groups=ParentGroups([group]), defaults=Defaults())
        for plugin, connection in (("shell", box), ("netlink", NetnsEndpoint(server.name, inside))):
            host.connections[plugin] = SimpleNamespace(connection=connection)
        return host

    def looks(self, hosts: Hosts) -> dict[str, SimpleNamespace]:
        """Return what preflight finds on each server."""
        found = {}
        for server in WHOLE.servers:
            with hosts[server.name].connections["netlink"].connection.session() as ipr:
                links = dump(ipr)
            underlay = Underlay(server.name, "u0", server.underlay, 1500, 50)
            found[server.name] = SimpleNamespace(links=links, underlay=underlay)
        return found

    def run(self, *, dry: bool, cluster: Cluster | None, mtu: int = MTU) -> Report:
        """Run what a build does on the servers, or without a cluster what a teardown does."""
        groups = Groups({name: Group(name) for name in ("hypervisor", "switch")})
        hosts = Hosts({one.name: self.host(one, groups[one.role]) for one in WHOLE.servers})
        recorder, inventory = Recorder(), Inventory(hosts, groups, Defaults())
        data = GlobalState(dry_run=dry)
        bare = Nornir(inventory, runner=ThreadedRunner(2), data=data).with_processors([recorder])
        found = {("preflight", name): look for name, look in self.looks(hosts).items()}

        def result(step: str, host: str) -> object:
            return (found | recorder.results)[step, host]

        session = SimpleNamespace(cluster=cluster, options=Options(dry_run=dry), result=result)
        stages: Iterable[Stage] = (
            [servers_stage(session, mtu)] if cluster else server_stages(servers, WHOLE.owner)
        )
        run_stages(bare, stages)
        assert recorder.failures == []
        rows, diffs = tuple(recorder.rows.values()), tuple(recorder.diffs)
        workflow = "build" if cluster else "teardown"
        return Report(workflow, "t", rows=rows, diffs=diffs, dry_run=dry, detailed=dry)

    def kept(self, cluster: Cluster | None, mtu: int = MTU) -> list[PlanLine]:
        """Plan, run, and plan again; return the lines of a plan that was kept."""
        planned = self.run(dry=True, cluster=cluster, mtu=mtu)
        done = self.run(dry=False, cluster=cluster, mtu=mtu)
        again = self.run(dry=True, cluster=cluster, mtu=mtu)
        assert sorted(map(listed, planned.plan)) == sorted(map(listed, done.plan))
        assert {row.name: row.changed for row in planned.rows} == {
            row.name: row.changed for row in done.rows
        }
        assert planned.changed == len(planned.plan) == sum(planned.document()["totals"].values())
        assert (planned.exit_code, done.exit_code) == (3 if planned.plan else 0, 0)
        assert (again.plan, again.changed, again.exit_code) == ((), 0, 0)
        return sorted(planned.plan, key=listed)

    def plug(self, guest: Guest) -> None:
        """Plug a guest in, as QEMU does: its taps are not in farswitch's hands."""
        script = """
            ip link add "$1" mtu 1450 type veth peer "x$1"; ip link set "$1" master "$2" up
            ip link add "$3" type veth peer "x$3"; ip link set "$3" master "$4" up"""
        management = WHOLE.management_bridge
        words = (guest.data_tap, guest.bridge, guest.management_tap, management)
        self.boxes["server1"].run(("sh", "-ec", script, "sh", *words))


def listed(line: PlanLine) -> tuple[str, str, str, str]:
    return line.host, line.stage, line.action, line.what


def told(lines: Iterable[PlanLine], stage: str, host: str = "server1") -> list[str]:
    return [str(line) for line in lines if (line.stage, line.host) == (stage, host)]


@pytest.fixture
def net(boxes) -> Net:
    """Two servers with an underlay and rules of somebody's, on which nothing of ours is."""
    made = {server.name: boxes() for server in WHOLE.servers}
    far = made["server2"].prefix[1].partition("=")[2]
    made["server1"].run(("ip", "link", "add", "u0", "type", "veth", "peer", "u0", "netns", far))
    for server in WHOLE.servers:
        script = f"ip addr add {server.underlay}/24 dev u0; ip link set u0 up; {THEIRS}"
        made[server.name].run(("sh", "-ec", script))
    return Net(made)


def test_a_first_build_and_its_teardown(net):
    first = net.kept(sized(2))
    assert told(first, "bridge", "server2") == ["+ bridge fss41 (farswitch:t:switch) mtu 1450"]
    assert told(first, "guard") == ["+ table bridge farswitch_t", "+ table inet farswitch_t"]
    assert "~ net.ipv4.ip_forward 0 -> 1" in told(first, "sysctl")
    assert "+ /etc/sysctl.d/99-farswitch.conf" in told(first, "sysctl")
    assert "~ nft inet mine in: policy drop -> accept" in told(first, "firewall_reset")
    last = net.kept(None)
    assert told(last, "guard") == ["- table bridge farswitch_t", "- table inet farswitch_t"]
    assert "- bridge fss41 (farswitch:t:switch)" in told(last, "links", "server2")
    assert "~ net.ipv4.ip_forward 1 -> 0" in told(last, "sysctl")
    assert "~ nft inet mine in: policy accept -> drop" in told(last, "firewall_reset")


def test_another_mtu_of_guests_that_run(net):
    net.kept(sized(2))
    for guest in sized(2).guests:
        net.plug(guest)
    net.run(dry=False, cluster=sized(2))  # the ports' options of what came
    lines = net.kept(sized(2), mtu=1400)
    assert told(lines, "mtu_servers") == [f"~ fsd{vni} mtu 1450 -> 1400" for vni in (41, 42)]
    assert told(lines, "vxlan") == [f"~ vxlan fsv{vni} mtu 1450 -> 1400" for vni in (41, 42)]
    assert {line.action for line in lines} == {"change"}


@pytest.mark.parametrize("mtu", [MTU, 1400])
def test_a_guest_more_and_less(net, mtu):
    net.kept(sized(2))
    more = net.kept(sized(3), mtu=mtu)
    assert "+ vxlan fsv43 (farswitch:t:node3) mtu " + str(mtu) in told(more, "vxlan", "server2")
    less = net.kept(sized(1), mtu=mtu)
    assert told(less, "vxlan", "server2") == [
        f"- vxlan fsv{vni} (farswitch:t:node{vni - 40})" for vni in (42, 43)
    ]


def test_what_somebody_changed_by_hand(net):
    net.kept(sized(2))
    net.plug(WHOLE.guests[0])
    script = """
        ip link set fsb41 mtu 1300; ip link del fsv42; ip link set fsd41 mtu 1200
        ip link set fsv41 nomaster; bridge fdb del 00:00:00:00:00:00 dev fsv41
        nft flush table inet farswitch_t; rm /etc/sysctl.d/99-farswitch.conf"""
    net.boxes["server1"].run(("sh", "-ec", script))
    net.boxes["server2"].run(("ip", "link", "del", "fss41"))
    lines = net.kept(sized(2))
    assert told(lines, "guard") == ["~ table inet farswitch_t"]
    assert told(lines, "sysctl") == ["+ /etc/sysctl.d/99-farswitch.conf"]
    assert told(lines, "fdb") == ["~ vxlan fsv41 made anew"]
