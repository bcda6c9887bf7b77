"""The firewall of a server that was rebooted: gone, but for what its boot scripts load."""

from __future__ import annotations

import pytest

from farswitch.state.journal import load
from farswitch.state.saved_settings import Journal
from tests.netns.test_firewall import HOSTILE, cluster_of, rules, run, sh, state

pytestmark = pytest.mark.root
REBOOT = """
nft flush ruleset
for tool in iptables ip6tables; do
  for table in $(cat /proc/net/${tool%tables}_tables_names); do
    $tool-legacy -t $table -P INPUT ACCEPT
    $tool-legacy -t $table -F
    $tool-legacy -t $table -X
  done
done
"""
ALONE = """
table inet mine {
  set trusted { type ipv4_addr; elements = { 10.1.1.1 } }
  chain in {
    type filter hook input priority 5; policy drop;
    ip saddr @trusted accept
  }
}
table inet other { chain in { type filter hook input priority 6; tcp dport 7 drop; }; }
"""


@pytest.fixture
def hostile(box):
    sh(box, HOSTILE)
    return box


def test_a_build_takes_what_the_boot_loaded_and_teardown_gives_it_back_once(hostile):
    before = state(hostile)
    run(hostile, cluster_of())
    sh(hostile, REBOOT + HOSTILE)
    assert state(hostile) == before
    assert run(hostile, cluster_of()).changes
    assert rules(hostile) == []
    assert run(hostile, cluster_of()).changes == ()
    done = run(hostile, cluster_of(), present=False)
    assert (done.notes, done.lost) == ((), ())
    assert state(hostile) == before
    assert load(hostile) == Journal()


def test_a_teardown_without_a_build_finds_all_there(hostile):
    before = state(hostile)
    run(hostile, cluster_of())
    sh(hostile, REBOOT + HOSTILE)
    assert run(hostile, cluster_of(), present=False).changes == ()
    assert state(hostile) == before
    assert load(hostile) == Journal()


@pytest.mark.parametrize("builds", [True, False], ids=["built", "not-built"])
def test_what_no_boot_script_loads_comes_back_as_before_the_first_build(box, builds):
    sh(box, "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -i lo -j ACCEPT")
    sh(box, "iptables-legacy -N OLD; iptables-legacy -A FORWARD -j OLD")
    sh(box, "iptables-legacy -A OLD -s 10.0.0.0/8 -j DROP")
    sh(box, "nft add table ip6 alone; nft add chain ip6 alone c '{ type filter hook forward "
            "priority 0; policy drop; }'")  # fmt: skip
    before = state(box)
    run(box, cluster_of())
    sh(box, REBOOT)
    if builds:
        assert run(box, cluster_of()).changes == ()
    done = run(box, cluster_of(), present=False)
    assert done.lost == ()
    assert state(box) == before
    assert load(box) == Journal()


def test_rules_whose_set_went_with_the_reboot_are_told_and_the_rest_comes_back(box):
    sh(box, "iptables-nft -N EMPTY; iptables-nft -t raw -A PREROUTING -p tcp -j ACCEPT")
    sh(box, "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -j EMPTY")
    box.run(("nft", "-f", "-"), stdin=ALONE)
    before = state(box)
    run(box, cluster_of())
    sh(box, REBOOT)
    done = run(box, cluster_of(), present=False)
    mine, filtered = done.lost
    assert mine.startswith("The rules of nft inet mine on 'box")
    assert filtered.startswith("The rules of iptables-nft filter on 'box")
    assert "after a reboot" in mine
    assert "EMPTY" in filtered
    assert [one.partition(": ")[0] for one in done.changes] == [
        "+ iptables-nft raw PREROUTING", "+ nft inet other in"
    ]  # fmt: skip
    now = state(box)
    (other,) = [one for one in before["nft"] if "inet other" in one]
    assert other in now["nft"]
    assert not any("inet mine" in one for one in now["nft"]), "neither its policy, which shuts out"
    assert "-A PREROUTING -p tcp -j ACCEPT" in now["iptables-nft"]
    assert not any("DROP" in one for one in now["iptables-nft"])
    assert load(box) == Journal()
    assert run(box, cluster_of(), present=False).lost == ()
