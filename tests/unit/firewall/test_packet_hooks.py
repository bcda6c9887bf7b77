"""Filters of devices as `tc` of other releases prints them than the one that is installed here."""

from __future__ import annotations

import json

from farswitch.firewall.packet_hooks import expressions, filters, removal

TEXT = "filter protocol ip pref 1 u32 chain 0\nfilter protocol ip pref 1 u32 match 0/0 at 0"
DROP = {"actions": [{"kind": "gact", "control_action": {"type": "drop"}}]}


def only(listed: str, text: str = TEXT):
    (chain,) = filters([("eth1", "ingress", listed, text)])
    return chain.rules


def test_json_that_is_none_is_one_rule_that_may_drop_and_is_shown_whole():
    listed = '[{"protocol":"ip","kind":"u32","options":{"fh":"800::800"  match 00000000/0 at 0}}]'
    (rule,) = only(listed)
    assert expressions(rule) == ({"unknown": "tc"}, {"drop": None})
    assert removal(rule) == ["tc", "filter", "del", "dev", "eth1", "ingress"]
    assert "match 0/0 at 0" in rule.shown


def test_a_filter_that_came_while_it_was_read_is_left_for_the_next_look():
    entry = {"protocol": "all", "kind": "matchall", "pref": 1, "options": {"handle": 1, **DROP}}
    assert len(only(json.dumps([entry, entry]), "filter protocol all pref 1 matchall")) == 1


def test_a_range_of_ports_and_a_chain_of_its_own_are_read():
    keys = {"eth_type": "ipv4", "ip_proto": "udp", "dst_port": {"start": 4000, "end": 5000}}
    entry = {"protocol": "ip", "kind": "flower", "pref": 7, "chain": 5,
             "options": {"handle": 1, "keys": {**keys, "odd": {"x": 1}}, **DROP}}  # fmt: skip
    (rule,) = only(json.dumps([entry]), "filter protocol ip pref 7 flower chain 5")
    fields = {one["field"]["name"]: one["field"]["value"] for one in expressions(rule)
              if "field" in one}  # fmt: skip
    assert fields["dport"] == "4000:5000"
    assert {"unknown": "odd"} in expressions(rule)
    assert " ".join(removal(rule)) == (
        "tc filter del dev eth1 ingress protocol ip chain 5 pref 7 handle 1 flower"
    )
