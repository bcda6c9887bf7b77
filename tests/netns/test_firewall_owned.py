"""Tables of nft that somebody owns, as firewalld does, and tables that sleep, on a real kernel."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.firewall import read
from farswitch.firewall.modes import FirewallInTheWayError
from farswitch.firewall.obstacles import obstacles
from farswitch.firewall.traffic import wanted_flows
from farswitch.model.cluster import Cluster
from farswitch.state.journal import load
from farswitch.state.saved_settings import Journal
from tests.netns.converged import firewall as converge
from tests.netns.owners import owned, persistent
from tests.netns.test_firewall import cluster_of, rules, sh, state

pytestmark = pytest.mark.root
DROP = "udp dport 4789 drop"
FAMILIES = {
    "inet": "type filter hook input priority 0; policy accept;",
    "ip": "type filter hook prerouting priority -300; policy accept;",
    "bridge": "type filter hook forward priority 0; policy accept;",
    "netdev": "type filter hook ingress device u0 priority 0; policy accept;",
}
FIREWALLD = """add table inet firewalld { flags owner; }
add chain inet firewalld filter_INPUT { type filter hook input priority 10; policy accept; }
add rule inet firewalld filter_INPUT ct state { established, related } accept
add rule inet firewalld filter_INPUT iifname "lo" accept
add rule inet firewalld filter_INPUT reject with icmpx admin-prohibited
add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }
add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited"""


def table(family: str, rule: str = DROP, flags: str = "flags owner;") -> str:
    return (
        f"add table {family} theirs {{ {flags} }}\n"
        f"add chain {family} theirs c {{ {FAMILIES[family]} }}\nadd rule {family} theirs c {rule}"
    )


def run(box: LocalShell, cluster: Cluster, **options: object):
    return converge(box, cluster, cluster.server("server1"), device="u0", **options)


@pytest.fixture
def box(boxes) -> LocalShell:
    machine = boxes()
    sh(machine, "ip link add u0 type veth peer name u1; ip link set u0 up")
    return machine


def refused(box: LocalShell, cluster: Cluster, **options: object) -> FirewallInTheWayError:
    """Return what a run says that must not touch anything."""
    before = state(box)
    with pytest.raises(FirewallInTheWayError) as caught:
        run(box, cluster, **options)
    assert state(box) == before
    assert load(box) == Journal()
    return caught.value


@pytest.mark.parametrize("family", FAMILIES)
def test_reset_names_table_and_owner_before_anything_is_changed(box, family):
    sh(box, "iptables-nft -P INPUT DROP; nft add table inet open")
    with owned(box, table(family)) as pid:
        for dry_run in (True, False):
            error = refused(box, cluster_of(), dry_run=dry_run)
            assert f"Table '{family} theirs' on" in str(error)
            assert f"process 'nft' (pid {pid})" in str(error)
            assert f"Stop process 'nft' (pid {pid})" in error.hint
            assert "Operation not permitted" not in str(error)


def test_once_the_owner_is_stopped_a_reset_goes_on(box):
    with owned(box, table("inet")):
        hint = refused(box, cluster_of()).hint
        pid = int(hint.partition("(pid ")[2].partition(")")[0])
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not rules(box) or None, Deadline(10), what="The table's end")
        assert run(box, cluster_of()).changes == ()


def test_owned_table_without_a_rule_is_left_alone(box):
    empty = "add table inet theirs { flags owner; }\nadd chain inet theirs c"
    with owned(box, empty):
        before = state(box)
        assert run(box, cluster_of()).changes == ()
        assert run(box, cluster_of(), present=False).changes == ()
        assert state(box) == before


def test_owned_table_beside_ours_does_not_keep_its_neighbours_from_a_reset(box):
    sh(box, "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -p tcp -j DROP")
    with owned(box, "add table inet theirs { flags owner; }"):
        before = state(box)
        assert len(run(box, cluster_of()).changes) == 2
        assert ":INPUT ACCEPT" in state(box)["iptables-nft"]
        run(box, cluster_of(), present=False)
        assert state(box) == before


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        pytest.param('iifname "eth7" drop', True, id="of-others"),
        pytest.param(
            "meta nfproto ipv6 fib saddr . mark . iif oif missing drop",
            True,
            id="firewallds-check-of-ipv6-sources",
        ),
        pytest.param("ip saddr 10.99.1.2 accept", True, id="accepts-us"),
        pytest.param(DROP, False, id="drops-us"),
        pytest.param("ip saddr 10.99.1.0/24 drop", False, id="drops-our-network"),
    ],
)
def test_narrow_is_stopped_by_an_owned_table_only_where_it_drops(box, rule, passes):
    cluster = cluster_of(mode="narrow")
    accept = f"{table('inet', 'udp dport 4789 accept', '')}".replace("theirs", "ours")
    sh(box, "nft -f - <<'R'\n" + accept + "\nR")  # an accept there undoes no drop elsewhere
    with owned(box, table("inet", rule)) as pid:
        if passes:
            assert run(box, cluster).changes == ()
            return
        error = refused(box, cluster)
        assert f"'{rule}' in chain 'c' of table 'inet theirs' (nft) drops UDP" in str(error)
        assert f"owned by process 'nft' (pid {pid})" in str(error)
        assert "reset" not in error.hint


def test_check_recommends_no_mode_that_cannot_help(box):
    with owned(box, table("inet")) as pid:
        error = refused(box, cluster_of(mode="check"))
    assert f"'{DROP}' in chain 'c' of table 'inet theirs' (nft) drops" in str(error)
    assert f"Stop process 'nft' (pid {pid})" in error.hint
    assert "reset" not in error.hint


@contextmanager
def firewalld(box: LocalShell, folder: Path) -> Iterator[int]:
    """A process of that name which owns the table that it has by default."""
    shutil.copy(shutil.which("nft") or "", folder / "firewalld")
    with owned(box, FIREWALLD, folder / "firewalld") as pid:
        yield pid


@pytest.mark.parametrize("mode", ["reset", "narrow", "check"])
def test_firewalls_settings_line_is_given_and_helps_as_it_stands(box, tmp_path, mode):
    settings = "/etc/firewalld/firewalld.conf"
    sh(box, f"mkdir -p /etc/firewalld; echo NftablesTableOwner=yes >{settings}")
    with firewalld(box, tmp_path) as pid:
        error = refused(box, cluster_of(mode=mode))
        assert f"process 'firewalld' (pid {pid})" in str(error)
    line = error.hint.partition("': ")[2].splitlines()[0]
    assert line.endswith("; systemctl restart firewalld")
    sh(box, line.removesuffix("; systemctl restart firewalld"))
    assert box.run(("cat", settings)).stdout == "NftablesTableOwner=no\n"
    sh(box, "nft -f - <<'R'\n" + FIREWALLD.replace("{ flags owner; }", "") + "\nR")
    before = state(box)
    cluster = cluster_of(mode="reset" if mode == "check" else mode)
    assert run(box, cluster).changes
    run(box, cluster, present=False)
    assert state(box) == before


def test_table_that_outlived_its_owner_is_anybodys(box):
    with persistent(box) as pid:
        error = refused(box, cluster_of())
        assert "Table 'inet kept'" in str(error)
        assert f"(pid {pid})" in str(error)
    before = state(box)
    assert "policy drop" in str(before)
    (change,) = run(box, cluster_of()).changes
    assert "policy drop -> accept" in change
    run(box, cluster_of(), present=False)
    assert state(box) == before
    narrow = cluster_of(mode="narrow")
    assert run(box, narrow).changes
    run(box, narrow, present=False)
    assert state(box) == before


def test_teardown_ends_where_somebody_took_a_table_over(box):
    sh(box, "nft -f - <<'R'\n" + table("inet", flags="") + "\nR")
    sh(box, "iptables-nft -A INPUT -p tcp -j DROP")
    run(box, cluster_of())
    sh(box, "nft delete table inet theirs")
    with owned(box, table("inet", "tcp dport 23 drop")) as pid:
        now = state(box)["nft"]
        done = run(box, cluster_of(), present=False)
        assert "-A INPUT -p tcp -j DROP" in state(box)["iptables-nft"]
        assert [text for text in state(box)["nft"] if "theirs" in text] == [
            text for text in now if "theirs" in text
        ]
    (sentence,) = done.lost
    assert "'inet theirs'" in sentence
    assert f"process 'nft' (pid {pid})" in sentence
    assert load(box) == Journal()


@pytest.mark.parametrize("mode", ["reset", "narrow", "check"])
@pytest.mark.parametrize("family", FAMILIES)
def test_table_that_sleeps_is_in_nobodys_way_and_stays(box, mode, family):
    sh(box, "nft -f - <<'R'\n" + table(family, flags="flags dormant;") + "\nR")
    before = state(box)
    cluster = cluster_of(mode=mode)
    assert run(box, cluster).changes == ()
    assert state(box) == before
    run(box, cluster, present=False)
    assert state(box) == before


def test_owner_that_nobody_sees_is_named_by_its_port(box):
    with owned(box, table("inet")) as pid:
        have = read.observe(box)
        unseen = f"a process that is not seen here (netlink port {pid})"
        hidden = replace(have, owners=dict.fromkeys(have.owners, unseen))
        flows = wanted_flows(cluster_of(), cluster_of().server("server1"), "u0")
        (obstacle,) = obstacles(hidden, "reset", flows, "server1")
        assert unseen in obstacle.what
