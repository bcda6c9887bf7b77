"""Eight guests reach each other by a ring and random pairs: what that finds and gives up."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest

from farswitch.proof.check import Check
from farswitch.proof.pairing import Pairing
from farswitch.remote import source
from tasks.checks.reach.visit import Visit
from tests.netns.network.test_faults_mtu import Net

pytestmark = pytest.mark.root
COUNT = 8
BY_TCP = {"reach.tcp", "reach.mpi_ports"}
DROP = """\
add table ip t
add chain ip t c {{ type filter hook input priority 0; }}
add rule ip t c tcp flags syn ip saddr {address} drop
"""


@pytest.fixture
def net(two_servers, quick) -> Net:
    return Net(two_servers(guests=COUNT), mtu=1450)


def refuse(net: Net, receiver: int, sender: str) -> None:
    """Let a guest, counted from 0, open no connection with some addresses."""
    rules = DROP.format(address=sender)
    space = net.spaces[net.cluster.guests[receiver].name]
    subprocess.run(
        ["ip", "netns", "exec", space, "nft", "-f", "-"], input=rules, text=True, check=True
    )


def failed(found: list[Check]) -> dict[str, set[str]]:
    """Return the hosts of what failed, by check."""
    hosts: dict[str, set[str]] = {}
    for check in found:
        if not check.ok:
            hosts.setdefault(check.name, set()).add(check.host)
    return hosts


def test_all_are_pinged_and_those_that_meet_connect(net: Net):
    found = net.verify(Pairing(1))
    assert failed(found) == {}
    counts = Counter(check.name for check in found)
    assert counts["reach.icmp"] == counts["mtu.exact"] == COUNT * (COUNT - 1)
    assert counts["reach.tcp"] == counts["reach.mpi_ports"] == 2 * 12


def test_one_broken_pair_is_found_where_it_meets_and_by_all_pairs(net: Net):
    one, other = net.cluster.guests[0], net.cluster.guests[4]
    refuse(net, 4, str(one.data_address.ip))
    meets = [4 in Pairing(seed).of(COUNT).partners(0) for seed in range(40)]
    assert failed(net.verify(Pairing(meets.index(False)))) == {}
    for pairing in (Pairing(meets.index(True)), Pairing(all_pairs=True)):
        found = net.verify(pairing)
        assert failed(found) == {name: {one.name, other.name} for name in BY_TCP}
        assert {check.measured.split(":")[0] for check in found if not check.ok} == {
            f"to {one.name}",
            f"to {other.name}",
        }


def test_a_node_without_connections_is_found_by_whatever_pairs(net: Net):
    refuse(net, 4, "0.0.0.0/0")
    hosts = failed(net.verify(Pairing()))
    assert hosts.keys() == BY_TCP
    assert {"node4", "node5", "node6"} <= hosts["reach.tcp"]


def test_no_answer_of_many_peers_is_lost(namespace):
    space = namespace("many")
    subprocess.run(["ip", "-n", space, "link", "set", "lo", "up"], check=True)
    asked = {
        "name": "node1", "nic": "lo", "address": "127.0.0.1", "mtu": 1450, "meets": [],
        "peers": {f"node{one}": f"127.0.{one // 200 + 1}.{one % 200 + 1}" for one in range(400)},
        "ports": [20000], "bytes": 1 << 16, "answer": 1.0, "patience": 1, "deadline": 15,
    }  # fmt: skip
    done = subprocess.run(
        ["ip", "netns", "exec", space, "python3", "-", json.dumps(asked)],
        input=source("reach"), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    peers = Visit.model_validate_json(done.stdout).peers
    assert [name for name, one in peers.items() if not (one.icmp and one.exact)] == []
    assert len(peers) == 400
