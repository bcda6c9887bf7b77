"""Whether chains let a flow pass, as a table; texts of iptables and expressions of nft."""

from ipaddress import ip_address

import pytest

from farswitch.firewall.evaluate import find_clash, seen_by
from farswitch.firewall.nft import NftChain, NftRule
from farswitch.firewall.ruleset import NFT, Chain, Rule, Ruleset
from farswitch.firewall.traffic import Flow

TUNNEL = Flow("input", frozenset({"ip", "inet"}), "u0", ip_address("10.9.0.2"), 4789)
REPLY = Flow("input", frozenset({"ip", "inet"}), "fsg41", state="established")
PING = Flow("input", frozenset({"ip", "inet"}), "fsg41", icmp="echo-request")


def legacy(*texts, policy="accept", name="INPUT", user=False):
    rules = tuple(Rule(text) for text in texts)
    return Chain("iptables-legacy", "filter", name, rules, policy, user)


@pytest.mark.parametrize(
    ("texts", "policy", "passes"),
    [
        pytest.param([], "accept", True, id="open-and-empty"),
        pytest.param([], "drop", False, id="closed-and-empty"),
        pytest.param(["-j ACCEPT"], "drop", True, id="accept-all"),
        pytest.param(["-p udp -m udp --dport 4789 -j ACCEPT"], "drop", True, id="port"),
        pytest.param(["-p udp -m udp --dport 4000:5000 -j ACCEPT"], "drop", True, id="range"),
        pytest.param(["-p udp -m multiport --dports 1,4789 -j ACCEPT"], "drop", False, id="maybe"),
        pytest.param(["-p tcp -j DROP"], "accept", True, id="other-protocol"),
        pytest.param(["-p udp -m udp --dport 53 -j DROP"], "accept", True, id="other-port"),
        pytest.param(["-p udp -j DROP"], "accept", False, id="all-udp"),
        pytest.param(["! -i u0 -j DROP"], "accept", True, id="all-but-our-device"),
        pytest.param(["! -i u1 -j DROP"], "accept", False, id="all-but-another-device"),
        pytest.param(["-i u+ -j ACCEPT"], "drop", True, id="device-by-prefix"),
        pytest.param(["-s 10.9.0.0/24 -j ACCEPT"], "drop", True, id="network"),
        pytest.param(["-s 10.8.0.0/24 -j ACCEPT"], "drop", False, id="other-network"),
        pytest.param(["-m recent --set --name x -j DROP"], "accept", False, id="cannot-be-known"),
        pytest.param(["-j LOG --log-prefix 'a b'"], "accept", True, id="log-goes-on"),
        pytest.param(["-j STRANGE"], "accept", False, id="unknown-target"),
        pytest.param(["-j USER", "-j ACCEPT"], "drop", False, id="jump-drops"),
        pytest.param(["-j BACK", "-j ACCEPT"], "drop", True, id="jump-returns"),
        pytest.param(["-g BACK", "-j ACCEPT"], "drop", False, id="goto-does-not-come-back"),
        pytest.param(["-m x -g BACK", "-j ACCEPT"], "drop", False, id="goto-perhaps"),
        pytest.param(["-j ROUND"], "accept", False, id="jumps-in-a-circle-end"),
        pytest.param(["-j RETURN", "-j DROP"], "accept", True, id="return-leads-to-policy"),
        pytest.param(["-m x -j RETURN", "-j ACCEPT"], "drop", False, id="return-perhaps"),
        pytest.param(["-m comment --comment '-j DROP' -j ACCEPT"], "drop", True, id="comment"),
    ],
)
def test_tunnel_through_iptables(texts, policy, passes):
    chain = legacy(*texts, policy=policy)
    users = {"USER": ["-p udp -j REJECT"], "BACK": ["-p tcp -j DROP"], "ROUND": ["-j ROUND"]}
    others = [legacy(*rules, policy=None, name=name, user=True) for name, rules in users.items()]
    assert (find_clash(Ruleset((chain, *others)), chain, TUNNEL) is None) == passes


@pytest.mark.parametrize("flow", [TUNNEL, REPLY, PING])
def test_our_own_rule_lets_its_flow_pass(flow):
    text = " ".join(flow.iptables()).replace("echo-request", "8")
    assert find_clash(Ruleset(()), legacy(text, policy="drop"), flow) is None
    others = [other for other in (TUNNEL, REPLY, PING) if other != flow]
    for other in others:
        assert find_clash(Ruleset(()), legacy(text, policy="drop"), other)
    chain = native(flow.nft(), policy="drop")
    assert find_clash(Ruleset(()), chain, flow) is None
    assert all(find_clash(Ruleset(()), chain, other) for other in others)


def native(*exprs, policy="accept", hook="input", kind="filter"):
    rules = tuple(NftRule(at, tuple(expr)) for at, expr in enumerate(exprs))
    chain = NftChain("inet", "t", "c", rules, kind, hook, 0, None, policy)
    return Chain(NFT, "inet t", "c", tuple(Rule("", handle=at) for at in range(len(exprs))),
                 policy, user=False, nft=chain)  # fmt: skip


def equal(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


PORT = {"payload": {"protocol": "udp", "field": "dport"}}
TCP_PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
DROP, ACCEPT = {"drop": None}, {"accept": None}


@pytest.mark.parametrize(
    ("expr", "policy", "passes"),
    [
        pytest.param([equal(PORT, 4789), ACCEPT], "drop", True, id="port"),
        pytest.param([equal(PORT, {"set": [53, 4789]}), ACCEPT], "drop", True, id="set"),
        pytest.param([equal(PORT, {"set": [{"range": [4000, 5000]}]}), ACCEPT], "drop", True,
                     id="range-in-set"),
        pytest.param([equal(PORT, 4789, "!="), DROP], "accept", True, id="all-other-ports"),
        pytest.param([equal(TCP_PORT, 25, "!="), ACCEPT], "drop", False, id="all-others-of-tcp"),
        pytest.param([equal(TCP_PORT, 25, "!="), DROP], "accept", True, id="none-but-of-tcp"),
        pytest.param([equal(PORT, 4000, ">"), DROP], "accept", False, id="operator-unknown"),
        pytest.param([equal(SOURCE, "@trusted"), ACCEPT], "drop", False, id="set-unknown"),
        pytest.param([equal(SOURCE, {"prefix": {"addr": "10.9.0.0", "len": 16}}), ACCEPT], "drop",
                     True, id="prefix"),
        pytest.param([{"limit": {"rate": 1}}, DROP], "accept", False, id="limit"),
        pytest.param([{"vmap": {}}], "accept", False, id="vmap"),
        pytest.param([{"reject": {}}], "accept", False, id="reject"),
        pytest.param([{"counter": {"packets": 1, "bytes": 2}}], "accept", True, id="count-only"),
        pytest.param([{"xt": {"type": "match", "name": "comment"}}, ACCEPT], "drop", True,
                     id="comment-of-iptables"),
        pytest.param([{"xt": {"type": "match", "name": "recent"}}, ACCEPT], "drop", False,
                     id="match-of-iptables"),
        pytest.param([{"xt": {"type": "target", "name": "TARPIT"}}], "accept", False,
                     id="target-of-iptables"),
    ],
)  # fmt: skip
def test_tunnel_through_nft(expr, policy, passes):
    chain = native(expr, policy=policy)
    assert (find_clash(Ruleset((chain,)), chain, TUNNEL) is None) == passes


@pytest.mark.parametrize(
    ("chain", "seen"),
    [
        pytest.param(native(), True, id="input"),
        pytest.param(native(hook="prerouting"), True, id="prerouting"),
        pytest.param(native(hook="forward"), False, id="forward"),
        pytest.param(native(kind="nat"), False, id="nat-translates-only"),
        pytest.param(legacy(), True, id="legacy-input"),
        pytest.param(legacy(name="FORWARD"), False, id="legacy-forward"),
        pytest.param(legacy(name="X", user=True), False, id="users-chain"),
    ],
)
def test_chain_sees_what_comes_in(chain, seen):
    assert seen_by(chain, TUNNEL) == seen


def test_obstacle_names_rule_and_chain():
    chain = legacy("-p tcp -j DROP", "-p udp -j DROP")
    found = find_clash(Ruleset(()), chain, TUNNEL)
    assert str(found) == "'-p udp -j DROP' in chain 'INPUT' of table 'filter' (iptables-legacy)"
