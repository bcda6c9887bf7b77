"""What is taken away and given back, on rulesets made by hand; texts of the legacy tools."""

import json

from farswitch.firewall.iptables import (
    Given,
    comment,
    flush_commands,
    flush_text,
    restore_commands,
    restore_text,
)
from farswitch.firewall.iptables import parse as parse_saved
from farswitch.firewall.narrow import plan_narrow
from farswitch.firewall.read import parse
from farswitch.firewall.reset import plan_reset
from farswitch.firewall.restore import plan_restore
from farswitch.firewall.ruleset import Chain, Rule, Ruleset
from farswitch.firewall.traffic import Flow
from farswitch.state.keys import ChainKey, ResetKey, RulesKey
from farswitch.state.saved_settings import Journal

SAVED = """# Generated
*filter
:INPUT DROP [3:4]
:FORWARD ACCEPT [0:0]
:MINE - [0:0]
-A INPUT -p tcp -j MINE
-A INPUT -m comment --comment farswitch:other -j ACCEPT
-A MINE -m comment --comment "a \\"b\\" c" -j ACCEPT
COMMIT
"""
PRINTED = {"rules": [], "tables": [], "chains": [], "text": "", "filters": [], "links": [],
           "tcx": []}  # fmt: skip


def ruleset(saved=SAVED) -> Ruleset:
    printed = {**PRINTED, "saved": {"iptables-legacy": saved}, "steady": True}
    return parse(json.dumps(printed), server="s")


def test_save_text_is_read_in_order():
    table = parse_saved(SAVED)["filter"]
    assert table.policies == {"INPUT": "DROP", "FORWARD": "ACCEPT", "MINE": "-"}
    assert table.rules["INPUT"][0] == "-p tcp -j MINE"
    assert comment(table.rules["MINE"][0]) == 'a "b" c'


def test_reset_takes_foreign_rules_and_keeps_another_clusters_own():
    plan = plan_reset(ruleset(), Journal(), "lab", "farswitch:lab")
    assert plan.journal.owners((ResetKey,)) == {"lab"}
    taken = RulesKey(ChainKey("iptables-legacy", "filter", "INPUT"))
    assert plan.journal.claims[taken].saved == ("-p tcp -j MINE",)
    assert flush_text(plan.legacy["iptables-legacy"]).splitlines() == [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        "-F INPUT",
        "-F MINE",
        "-A INPUT -m comment --comment farswitch:other -j ACCEPT",
        "COMMIT",
    ]
    assert len(plan.changes) == 3


def test_later_cluster_owns_what_the_first_took():
    first = plan_reset(ruleset(), Journal(), "lab", "farswitch:lab").journal
    open_ = ruleset("*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\nCOMMIT\n")
    both = plan_reset(open_, first, "other", "farswitch:other").journal
    assert {claim.owners for claim in both.claims.values()} == {frozenset({"lab", "other"})}
    one = plan_restore(open_, both, "lab")
    assert one.changes == ()
    assert plan_restore(open_, one.journal, "other").tools["iptables-legacy"] == {
        "filter": {
            "INPUT": Given(("-p tcp -j MINE",), policy="drop"),
            "MINE": Given(('-m comment --comment "a \\"b\\" c" -j ACCEPT',), user=True),
        }
    }


def test_what_a_later_cluster_took_waits_for_the_first_too():
    """The one that finds nothing needs the reset as well."""
    quiet = plan_reset(ruleset(""), Journal(), "lab", "farswitch:lab").journal
    both = plan_reset(ruleset(), quiet, "other", "farswitch:other").journal
    assert plan_restore(ruleset(""), both, "other").changes == ()


def test_restore_that_a_crash_left_unrecorded_is_not_done_twice():
    journal = plan_reset(ruleset(), Journal(), "lab", "farswitch:lab").journal
    again = plan_restore(ruleset(), journal, "lab")
    assert (again.tools, again.changes, again.journal) == ({}, (), Journal())


def test_chain_that_is_gone_is_made_again():
    journal = plan_reset(ruleset(), Journal(), "lab", "farswitch:lab").journal
    tools = plan_restore(ruleset(""), journal, "lab").tools["iptables-legacy"]
    assert restore_text("iptables-legacy", tools).splitlines() == [
        "*filter",
        ":INPUT DROP [0:0]",
        ":MINE - [0:0]",
        "-I INPUT 1 -p tcp -j MINE",
        '-I MINE 1 -m comment --comment "a \\"b\\" c" -j ACCEPT',
        "COMMIT",
    ]


def test_legacy_ebtables_is_served_by_commands():
    tables = {"filter": {"FORWARD": Given(("-s 02:00:00:00:00:01 -j MINE",), policy="drop"),
                         "MINE": Given(policy="drop", user=True, missing=True)}}  # fmt: skip
    start = ["ebtables-legacy", "-t", "filter"]
    assert restore_commands("ebtables-legacy", tables) == [
        [*start, "-N", "MINE"],
        [*start, "-P", "FORWARD", "DROP"],
        [*start, "-I", "FORWARD", "1", "-s", "02:00:00:00:00:01", "-j", "MINE"],
        [*start, "-P", "MINE", "DROP"],
    ]
    chain = Chain("ebtables-legacy", "filter", "FORWARD", (Rule("-j X"),), "drop", user=False)
    plan = plan_reset(Ruleset((chain,)), Journal(), "lab", "farswitch:lab")
    assert flush_commands("ebtables-legacy", plan.legacy["ebtables-legacy"]) == [
        [*start, "-P", "FORWARD", "ACCEPT"],
        [*start, "-F", "FORWARD"],
    ]


def test_narrow_takes_a_rule_back_by_what_it_says_and_not_by_its_number():
    ours = "-m comment --comment farswitch:lab -j ACCEPT"
    have = ruleset(f"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT {ours}\n-A INPUT {ours}\nCOMMIT\n")
    plan = plan_narrow(have, (), "farswitch:lab")
    gone = ("-D", "INPUT", *ours.split())
    assert [argv[-len(gone) :] for argv in plan.commands] == [gone] * 2
    flow = Flow("input", frozenset({"ip"}), udp=4789)
    assert plan_narrow(ruleset(), (flow,), "farswitch:lab").changes
