"""Whether the tunnels' UDP arrives, on a real wire between two servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest
from nornir.core.inventory import Defaults, Host

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ConfigError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof import path_mtu
from tasks.underlay_udp import underlay_udp
from tests.netns.wires import pid, sh

NETWORKS = {4: ("198.51.100.", 24), 6: ("2001:db8::", 64)}
ON_THE_WIRE = """
nft add table bridge way
nft add chain bridge way f '{{ type filter hook forward priority 0; }}'
nft add rule bridge way f {match} udp dport 4789 drop
"""
AT_HOME = """
nft add table inet home
nft add chain inet home c '{{ type filter hook {hook} priority 0; }}'
nft add rule inet home c udp dport 4789 drop
"""


@dataclass
class Wire:
    """Two servers with a bridge between them."""

    cluster: Cluster
    hosts: dict[str, Host]
    boxes: dict[str, LocalShell]

    def ask(self) -> None:
        paths = path_mtu.tunnel_paths(self.cluster, dict.fromkeys(self.hosts, "u0"))
        underlay_udp(SimpleNamespace(host=self.hosts["server1"]), paths, self.hosts)


@pytest.fixture
def wire(boxes: Callable[[], LocalShell], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Wire]:
    monkeypatch.setattr(path_mtu, "PATIENCE", 0.2)

    def make(version: int = 4) -> Wire:
        start, bits = NETWORKS[version]
        between = boxes()
        sh(between, "ip link add w type bridge; ip link set w up")
        servers, hosts, places = [], {}, {"wire": between}
        for at, role in ((1, "hypervisor"), (2, "switch")):
            box, address = boxes(), ip_address(f"{start}{at}")
            server: Any = Server(f"server{at}", role, f"h{at}", address)
            sh(between, f"ip link add p{at} type veth peer name u0 netns {pid(box)}; "
                        f"ip link set p{at} master w up")  # fmt: skip
            sh(box, f"ip addr add {address}/{bits} dev u0 {'nodad' * (version == 6)}; "
                    "ip link set u0 up")  # fmt: skip
            hosts[server.name] = Host(server.name, defaults=Defaults())
            hosts[server.name].connections["shell"] = SimpleNamespace(connection=box)
            servers.append(server)
            places[server.name] = box
        guest = Guest("node1", 1, "server1", Settings(cluster="t"))
        cluster = Cluster(Settings(cluster="t"), (servers[0],), servers[1], (guest,))
        return Wire(cluster, hosts, places)

    return make


@pytest.mark.parametrize("version", [4, 6])
def test_it_arrives_both_ways_where_nobody_listens_yet(wire, version: int):
    wire(version).ask()


@pytest.mark.parametrize(
    ("match", "lost"),
    [
        pytest.param(
            "ether type ip",
            [
                "UDP port 4789 of 'server2', from 'server1': nothing arrives at 'u0'.",
                "UDP port 4789 of 'server1', from 'server2': nothing arrives at 'u0'.",
            ],
            id="both-ways",
        ),
        pytest.param(
            "iifname p2",
            ["UDP port 4789 of 'server1', from 'server2': nothing arrives at 'u0'."],
            id="one-way",
        ),
    ],
)
def test_what_lies_between_the_servers_is_reported(wire, match: str, lost: list[str]):
    one = wire()
    sh(one.boxes["wire"], ON_THE_WIRE.format(match=match))
    with pytest.raises(ConfigError) as refused:
        one.ask()
    assert sorted(str(refused.value).splitlines()) == sorted(lost)
    assert "security group" in refused.value.hint


@pytest.mark.parametrize("hook", ["input", "output", "prerouting"])
@pytest.mark.parametrize("server", ["server1", "server2"])
def test_what_a_build_opens_by_itself_is_no_obstacle(wire, hook: str, server: str):
    one = wire()
    sh(one.boxes[server], AT_HOME.format(hook=hook))
    one.ask()


def test_a_way_that_is_not_there_is_reported(wire):
    one = wire()
    sh(one.boxes["server1"], "ip addr flush dev u0; ip addr add 198.51.100.1/32 dev u0")
    with pytest.raises(ConfigError, match="from 'server1': cannot be sent to: Network is unreach"):
        one.ask()
