"""Chains whose names are words of nft's own language, beside a table with flags, on a real nft."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.firewall.modes import FirewallInTheWayError
from farswitch.firewall.narrow import plan_narrow
from farswitch.firewall.nft import RESERVED
from farswitch.firewall.read import observe
from farswitch.firewall.traffic import wanted_flows
from tests.netns.test_firewall import rules, sh, state
from tests.netns.test_firewall_hooks import cluster_of, run

pytestmark = pytest.mark.root
FLAGGED = "nft add table inet asleep '{ flags dormant; }'"
DROP = {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}},
                  "right": 4789}}  # fmt: skip


def load(box: LocalShell, *commands: dict[str, object]) -> None:
    """Give nft what it takes in no other form than JSON."""
    box.run(("nft", "-j", "-f", "-"), stdin=json.dumps({"nftables": commands}))


def named(table: str, chain: str, policy: str = "accept") -> list[dict[str, object]]:
    """Return a chain that drops the tunnels' packets."""
    place = {"family": "inet", "table": table}
    base = {"type": "filter", "hook": "input", "prio": 0, "policy": policy}
    return [
        {"add": {"table": {"family": "inet", "name": table}}},
        {"add": {"chain": {**place, "name": chain, **base}}},
        {"add": {"rule": {**place, "chain": chain, "expr": [DROP, {"drop": None}]}}},
    ]


@pytest.fixture
def box(boxes: Callable[[], LocalShell]) -> LocalShell:
    machine = boxes()
    sh(machine, f"ip link add u0 type veth peer name u1; ip link set u0 up; {FLAGGED}")
    return machine


NAMES = pytest.mark.parametrize(
    ("table", "chain"), [("t", "log"), ("t", "reject"), ("policy", "c"), ("counter", "set")]
)


@NAMES
def test_check_names_the_rule_and_its_remedy_helps_as_it_stands(box, table, chain):
    load(box, *named(table, chain))
    with pytest.raises(FirewallInTheWayError) as caught:
        run(box, "check")
    where = f"'udp dport 4789 drop' in chain '{chain}' of table 'inet {table}' (nft)"
    assert where in str(caught.value)
    sh(box, caught.value.hint.partition("': ")[2].partition("; or")[0])
    assert run(box, "check").changes == ()


def test_the_remedy_for_a_closed_policy_helps_as_it_stands(box):
    load(box, *named("t", "log", "drop")[:2])
    with pytest.raises(FirewallInTheWayError, match="policy drop") as caught:
        run(box, "check")
    sh(box, caught.value.hint.splitlines()[0].partition("': ")[2].partition("; or")[0])
    assert run(box, "check").changes == ()


@NAMES
def test_reset_takes_it_and_gives_it_back(box, table, chain):
    load(box, *named(table, chain, "drop"))
    before = state(box)
    assert len(run(box, "reset").changes) == 2
    assert rules(box) == []
    run(box, "reset", present=False)
    assert state(box) == before


@NAMES
def test_narrow_opens_it_and_its_undo_takes_that_back(box, table, chain):
    load(box, *named(table, chain))
    before, cluster = state(box), cluster_of("narrow")
    flows = wanted_flows(cluster, cluster.server("server1"), "u0")
    undo = plan_narrow(observe(box), flows, cluster.owner.mark).undo
    assert run(box, "narrow").changes
    assert state(box) != before
    sh(box, undo)
    assert state(box) == before


@pytest.mark.parametrize("chain", ["log", "reject", "drop"])
def test_chains_of_iptables_with_such_names_are_followed(box, chain):
    sh(box, f"iptables-nft -N {chain}; iptables-nft -A INPUT -j {chain}; "
            f"iptables-nft -A {chain} -p udp -m udp --dport 4789 -j DROP")  # fmt: skip
    before = state(box)
    with pytest.raises(FirewallInTheWayError, match=f"'-A {chain} .*' in chain '{chain}'"):
        run(box, "check")
    assert run(box, "reset").changes
    run(box, "reset", present=False)
    assert state(box) == before


def test_words_that_nft_takes_for_its_own_are_known_as_such(box):
    sh(box, "nft add table inet t")
    tried = [f"nft -c add chain inet t {word} 2>/dev/null && echo {word}" for word in RESERVED]
    assert sh_lines(box, "; ".join((*tried, "true"))) == []
    common = "input output forward prerouting postrouting ingress egress allowed blocked docker c"
    tried = [f"nft -c add chain inet t {word} && echo {word}" for word in common.split()]
    assert sh_lines(box, "; ".join(tried)) == common.split()


def sh_lines(box: LocalShell, text: str) -> list[str]:
    return box.run(("sh", "-c", text)).stdout.split()
