"""The three modes on a real kernel, read back with each tool's own listing."""

import json
import re
from dataclasses import replace
from ipaddress import ip_address

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.processor import Processors
from nornir.core.task import Task

from farswitch.connections import access
from farswitch.errors import FarswitchError
from farswitch.firewall.modes import FirewallInTheWayError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.rollback import timer
from farswitch.state.journal import load
from farswitch.state.saved_settings import Journal
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard as guard_task
from tasks.sysctl import sysctl
from tests.netns.arguments import arguments
from tests.netns.converged import firewall as converge
from tests.netns.converged import guard

pytestmark = pytest.mark.root

SAVES = ("iptables-nft", "ip6tables-nft", "ebtables-nft", "iptables-legacy", "ip6tables-legacy")
HOSTILE = """
iptables-nft -P INPUT DROP
iptables-nft -P FORWARD DROP
iptables-nft -N DOCKER
iptables-nft -A DOCKER -p tcp -m tcp --dport 22 -m comment --comment "it's \\"here\\"" -j ACCEPT
iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A INPUT -j DOCKER
iptables-nft -A INPUT -i eth9 -m limit --limit 3/min -j LOG --log-prefix "in: "
iptables-nft -A INPUT -j REJECT --reject-with icmp-host-prohibited
iptables-nft -t nat -A POSTROUTING -s 10.0.0.0/8 ! -o eth9 -j MASQUERADE
iptables-nft -t raw -A PREROUTING -p tcp -j CT --notrack
ip6tables-nft -P INPUT DROP
ip6tables-nft -A FORWARD -j REJECT
ebtables-nft -N MINE
ebtables-nft -N CLOSED -P DROP
ebtables-nft -A FORWARD -s 02:00:00:00:00:01 -j MINE
ebtables-nft -A MINE -p IPv4 -j CLOSED
ebtables-nft -P FORWARD DROP
iptables-legacy -P INPUT DROP
iptables-legacy -N OLD
iptables-legacy -A INPUT -p tcp --dport 22 -j OLD
iptables-legacy -A OLD -s 10.0.0.0/8 -j ACCEPT
ip6tables-legacy -A INPUT -p udp -j ACCEPT
nft -f - <<'R'
table inet mine {
  set trusted { type ipv4_addr; flags timeout; elements = { 10.1.1.1, 10.1.1.2 } }
  counter hits { }
  chain checks {
    tcp dport { 22, 80-90 } ct state new counter accept comment "x y"
  }
  chain in {
    type filter hook input priority 5; policy drop;
    ct state vmap { established : accept, invalid : drop }
    ip saddr @trusted counter name "hits" accept
    jump checks
    limit rate 5/second burst 7 packets log prefix "hey " level info
    update @trusted { ip saddr timeout 30s }
    ip6 nexthdr icmpv6 icmpv6 type { echo-request, nd-neighbor-solicit } accept
    meta mark set 0x5
    reject with icmpx type admin-prohibited
  }
  chain nat { type nat hook postrouting priority 100; ip saddr 10.2.0.0/16 masquerade; };
}
table ip6 alone { chain c { type filter hook forward priority 0; policy drop; }; }
table arp filter { chain INPUT { type filter hook input priority 0; arp operation reply drop; }; }
R
"""


def cluster_of(name="lab", mode="reset", vni=41) -> Cluster:
    settings = Settings(cluster=name, vni_base=vni, firewall=mode)
    one = Server("server1", "hypervisor", "h1", ip_address("10.99.1.1"))
    two = Server("server2", "switch", "h2", ip_address("10.99.1.2"))
    nodes = tuple(Guest(f"node{i}", i, "server1", settings) for i in (1, 2))
    return Cluster(settings, (one,), two, nodes)


def state(box):
    """Everything that every tool lists, without counts and comments of the tools."""
    found = {}
    for tool in SAVES:
        text = box.run((f"{tool}-save",)).stdout
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        found[tool] = [re.sub(r" \[\d+:\d+\]$", "", line) for line in lines]
    text = box.run(("nft", "list", "ruleset")).stdout
    text = re.sub(r"packets \d+ bytes \d+|expires \w+", "", text)
    found["nft"] = sorted(re.findall(r"(?m)^table .*?^}", text, re.DOTALL))
    return found


def rules(box):
    listed = json.loads(box.run(("nft", "-j", "list", "ruleset")).stdout)["nftables"]
    return [one["rule"] for one in listed if "rule" in one]


def sh(box, script):
    box.run(("sh", "-ec", script))


@pytest.fixture
def hostile(box):
    sh(box, HOSTILE)
    return box


def cut(*_, **__):
    raise OSError("cut")


def run(box, cluster, **options):
    return converge(box, cluster, cluster.server("server1"), device="u0", **options)


def test_reset_leaves_no_rule_and_no_closed_policy(hostile):
    run(hostile, cluster_of())
    assert rules(hostile) == []
    now = state(hostile)
    assert not [line for lines in now.values() for line in lines if line.startswith("-A")]
    assert "policy drop" not in "".join(now["nft"])
    assert not [line for tool in SAVES for line in now[tool] if " DROP" in line]


def test_teardown_gives_back_exactly(hostile):
    before = state(hostile)
    run(hostile, cluster_of())
    done = run(hostile, cluster_of(), present=False)
    assert done.notes == ()
    assert state(hostile) == before
    assert load(hostile) == Journal()
    assert run(hostile, cluster_of(), present=False).changes == ()


def test_second_run_changes_nothing(hostile):
    assert run(hostile, cluster_of()).changes
    kept, now = load(hostile), state(hostile)
    assert run(hostile, cluster_of()).changes == ()
    assert (load(hostile), state(hostile)) == (kept, now)


@pytest.mark.parametrize("mode", ["reset", "narrow"])
def test_dry_run_tells_but_does_not_touch(hostile, mode):
    before = state(hostile)
    told = run(hostile, cluster_of(mode=mode), dry_run=True).changes
    assert state(hostile) == before
    assert run(hostile, cluster_of(mode=mode)).changes == told
    now = state(hostile)
    back = run(hostile, cluster_of(mode=mode), present=False, dry_run=True).changes
    assert back
    assert state(hostile) == now


def test_empty_server_gets_no_table_by_being_looked_at(box):
    before = state(box)
    assert run(box, cluster_of()).changes == ()
    names = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names"
    fresh = box.run(("unshare", "--net", "sh", "-c", names)).stdout
    assert fresh == ""
    assert state(box) == before
    run(box, cluster_of(), present=False)
    assert load(box) == Journal()


@pytest.mark.parametrize("first", ["lab", "other"])
def test_last_of_two_clusters_gives_back(hostile, first):
    clusters = {"lab": cluster_of(), "other": cluster_of("other", vni=141)}
    before = state(hostile)
    for cluster in clusters.values():
        run(hostile, cluster)
    run(hostile, clusters.pop(first), present=False)
    assert rules(hostile) == []
    (last,) = clusters.values()
    run(hostile, last, present=False)
    assert state(hostile) == before


def test_guard_of_every_cluster_stays(hostile):
    for cluster in (cluster_of(), cluster_of("other", vni=141)):
        guard(hostile, cluster, cluster.server("server1"), "u0")
    count = len([rule for rule in rules(hostile) if rule["table"].startswith("farswitch_")])
    run(hostile, cluster_of())
    assert len(rules(hostile)) == count > 0


def test_rules_that_came_later_go_too_and_come_back_after_the_old(hostile):
    run(hostile, cluster_of())
    sh(hostile, "iptables-nft -A INPUT -j DOCKER; iptables-nft -A INPUT -s 10.3.0.0/16 -j DROP")
    assert len(run(hostile, cluster_of()).changes) == 2
    assert rules(hostile) == []
    run(hostile, cluster_of(), present=False)
    lines = [line for line in state(hostile)["iptables-nft"] if line.startswith("-A INPUT")]
    assert lines[-1] == "-A INPUT -s 10.3.0.0/16 -j DROP"
    assert lines.count("-A INPUT -j DOCKER") == 1


def test_what_was_added_since_stays_behind(hostile):
    before = state(hostile)
    run(hostile, cluster_of())
    sh(
        hostile,
        "iptables-nft -A INPUT -s 10.3.0.0/16 -j DROP; nft add rule inet mine in tcp dport 9",
    )
    sh(hostile, "iptables-legacy -A INPUT -s 10.4.0.0/16 -j DROP")
    run(hostile, cluster_of(), present=False)
    now = state(hostile)
    for tool, rule in (("iptables-nft", "10.3"), ("iptables-legacy", "10.4")):
        inputs = [line for line in now[tool] if line.startswith("-A INPUT")]
        old = [line for line in before[tool] if line.startswith("-A INPUT")]
        assert inputs == [*old, f"-A INPUT -s {rule}.0.0/16 -j DROP"]
    mine = [rule for rule in rules(hostile) if (rule["table"], rule["chain"]) == ("mine", "in")]
    assert "9" in str(mine[-1]["expr"])
    assert len(mine) == 9


def test_policy_that_somebody_closed_since_is_closed_again_afterwards(hostile):
    run(hostile, cluster_of())
    sh(hostile, "iptables-nft -P OUTPUT DROP")
    (change,) = run(hostile, cluster_of()).changes
    assert "OUTPUT" in change
    run(hostile, cluster_of(), present=False)
    assert {":OUTPUT DROP", ":FORWARD DROP"} <= set(state(hostile)["iptables-nft"])


def test_policy_that_somebody_set_since_stays_and_is_told(hostile):
    run(hostile, cluster_of())
    sh(hostile, "ebtables-nft -P MINE DROP")
    done = run(hostile, cluster_of(), present=False)
    assert ":MINE DROP" in state(hostile)["ebtables-nft"]
    assert any("MINE" in note and "stays" in note for note in done.notes)


def test_tables_that_were_removed_since_come_back(hostile):
    before = state(hostile)
    run(hostile, cluster_of())
    sh(hostile, "iptables-nft -t raw -X; nft delete table ip raw; iptables-nft -X DOCKER")
    run(hostile, cluster_of(), present=False)
    assert state(hostile) == before


def test_crash_after_the_intent_loses_nothing(hostile, monkeypatch):
    before = state(hostile)
    with monkeypatch.context() as patch:
        patch.setattr("farswitch.firewall.apply._nft", cut)
        with pytest.raises(OSError, match="cut"):
            run(hostile, cluster_of())
    assert state(hostile) == before
    run(hostile, cluster_of(), present=False)
    assert state(hostile) == before
    run(hostile, cluster_of())
    assert rules(hostile) == []


def test_crash_before_it_is_recorded_gives_nothing_back_twice(hostile, monkeypatch):
    before = state(hostile)
    run(hostile, cluster_of())
    with monkeypatch.context() as patch:
        patch.setattr("farswitch.firewall.modes.store", cut)
        with pytest.raises(OSError, match="cut"):
            run(hostile, cluster_of(), present=False)
    assert run(hostile, cluster_of(), present=False).changes == ()
    assert state(hostile) == before
    assert load(hostile) == Journal()


def test_rule_with_a_named_set_of_nft_is_refused_too(hostile):
    sh(hostile, "nft add set ip filter s '{ type ipv4_addr; }'")
    sh(hostile, "nft add rule ip filter FORWARD ip saddr @s counter accept")
    before = state(hostile)
    with pytest.raises(FarswitchError, match="restored"):
        run(hostile, cluster_of())
    assert state(hostile) == before


def test_task_counts_and_tells_in_nornirs_words(hostile, monkeypatch):
    cluster = cluster_of()
    host = Host("server1", data={"cluster": cluster, "server": cluster.server("server1")})
    monkeypatch.setattr(access, "shell", lambda task: hostile)
    for tool in (sysctl, guard_task, firewall_reset):
        wanted = arguments(tool, cluster, "server1")
        for dry, present, changed in ((True, True, True), (False, True, True), (False, True, False),
                                      (False, False, True), (False, False, False)):  # fmt: skip
            nornir = Nornir(Inventory(Hosts(), Groups(), Defaults()))
            task = Task(tool, nornir, global_dry_run=False, processors=Processors())
            task.host = host
            result = tool(task, present=present, dry_run=dry, **wanted)
            assert (result.changed, result.count > 0, bool(result.diff)) == (changed,) * 3


def test_rule_that_cannot_be_given_back_is_refused_before_anything(hostile):
    sh(hostile, "nft add rule ip filter INPUT ip saddr '{ 1.1.1.1, 2.2.2.2 }' accept")
    before = state(hostile)
    with pytest.raises(FarswitchError, match="restored") as caught:
        run(hostile, cluster_of())
    assert "narrow" in caught.value.hint
    assert state(hostile) == before
    assert load(hostile) == Journal()


def test_narrow_adds_only_marked_rules_and_takes_them_back(hostile):
    before = state(hostile)
    cluster = cluster_of(mode="narrow")
    assert run(hostile, cluster).changes
    assert run(hostile, cluster).changes == ()
    now = state(hostile)
    for tool in ("iptables-nft", "iptables-legacy"):
        added = [line for line in now[tool] if line not in before[tool]]
        assert added
        assert all("farswitch:lab" in line for line in added)
        assert [line for line in now[tool] if line not in added] == before[tool]
    run(hostile, cluster, present=False)
    assert state(hostile) == before
    assert load(hostile) == Journal()


def test_narrow_adds_nothing_to_an_open_server(box):
    sh(box, "iptables-nft -A INPUT -p udp --dport 4789 -j ACCEPT; iptables-nft -A FORWARD -j DROP")
    before = state(box)
    assert run(box, cluster_of(mode="narrow")).changes == ()
    assert state(box) == before


def test_narrow_of_two_clusters(hostile):
    one, two = cluster_of(mode="narrow"), cluster_of("other", mode="narrow", vni=141)
    before = state(hostile)
    run(hostile, one)
    run(hostile, two)
    run(hostile, one, present=False)
    text = "".join(state(hostile)["nft"]) + "".join(state(hostile)["iptables-nft"])
    assert "farswitch:other" in text
    assert "farswitch:lab" not in text
    run(hostile, two, present=False)
    assert state(hostile) == before


def test_change_from_reset_to_narrow_gives_back_first(hostile):
    before = state(hostile)
    run(hostile, cluster_of())
    run(hostile, cluster_of(mode="narrow"))
    assert len(rules(hostile)) > 10
    run(hostile, cluster_of(mode="reset"))
    assert rules(hostile) == []
    run(hostile, cluster_of(mode="reset"), present=False)
    assert state(hostile) == before


def test_check_names_what_is_in_the_way_and_changes_nothing(hostile):
    before = state(hostile)
    with pytest.raises(FirewallInTheWayError) as caught:
        run(hostile, cluster_of(mode="check"))
    text = str(caught.value)
    for name in ("'INPUT' of table 'filter' (iptables-nft)", "'in' of table 'inet mine'",
                 "'CLOSED' of table 'filter' (ebtables-nft)", "(iptables-legacy)"):  # fmt: skip
        assert name in text
    assert state(hostile) == before


def test_check_is_content_with_an_administrators_own_rule(box):
    sh(box, "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -i fsg+ -j ACCEPT")
    cluster = cluster_of(mode="check")
    with pytest.raises(FirewallInTheWayError, match=r"UDP port 4789 from 10\.99\.1\.2"):
        run(box, cluster)
    sh(box, "iptables-nft -I INPUT -p udp -s 10.99.0.0/16 --dport 4000:5000 -j ACCEPT")
    assert run(box, cluster).changes == ()


def test_other_addresses_replace_the_narrow_rules(hostile):
    cluster = cluster_of(mode="narrow")
    run(hostile, cluster)
    count = len(rules(hostile))
    switch = replace(cluster.switch, underlay=ip_address("10.99.1.9"))
    moved = replace(cluster, switch=switch)
    assert run(hostile, moved).changes
    assert len(rules(hostile)) == count
    assert "10.99.1.2" not in "".join(state(hostile)["iptables-nft"])


def test_a_rule_that_came_since_the_look_is_not_taken_for_ours(hostile, monkeypatch):
    cluster = cluster_of(mode="narrow")
    before = state(hostile)
    run(hostile, cluster)
    tools, start = ("iptables-nft", "iptables-legacy"), timer.start

    def meanwhile(*given, **options):
        for tool in tools:
            for chain in ("INPUT", "FORWARD"):
                sh(hostile, f"{tool} -I {chain} -s 10.9.9.9 -j ACCEPT")
        return start(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(timer, "start", meanwhile)
        run(hostile, cluster, present=False)
    for tool in tools:
        for chain in ("INPUT", "FORWARD"):
            sh(hostile, f"{tool} -D {chain} -s 10.9.9.9 -j ACCEPT")
    assert state(hostile) == before
