"""What verify concludes from what a guest's domain, login, identity and hosts file are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host
from nornir.core.task import Result

from farswitch.errors import FarswitchError
from farswitch.firewall import guest as guest_firewall
from farswitch.guests.files.hosts import hosts_files, wanted_addresses
from farswitch.model.cluster import cluster
from farswitch.proof.context import Context
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete
from tasks.checks.guest import drift, hosts_file, identity, login, login_judge
from tasks.checks.guest.login_judge import Dead
from tests.proving import checks_of

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
RECORD = complete(None, CLUSTER)
NODE2 = CLUSTER.guests[1]
HOSTS = {guest.name: Host(guest.name, data={"guest": guest}) for guest in CLUSTER.guests}
CONTEXT = Context(CLUSTER, RECORD, 1450, HOSTS, Path("/logins"), rebuild="build")

IDENTITY = f"""\
hostname node2
user 2000 2000
nic data0 {NODE2.data_mac} 1
nic mgmt0 {NODE2.management_mac} 1
1: lo    inet 127.0.0.1/8 scope host lo
2: data0    inet 10.0.0.12/24 brd 10.0.0.255 scope global data0
3: mgmt0    inet 10.10.0.12/24 brd 10.10.0.255 scope global mgmt0
"""
FILE = hosts_files(wanted_addresses(CLUSTER), CLUSTER.owner)[0].content.decode()
RESOLVED = "".join(f"{one.data_address.ip} {one.name}\n" for one in CLUSTER.guests)


@pytest.mark.parametrize(
    ("state", "fix", "words"),
    [
        pytest.param("shut off", "build", "shut off", id="switched-off"),
        pytest.param("crashed", "build", "crashed", id="crashed"),
        pytest.param("paused", "resume", "paused", id="paused-goes-on"),
        pytest.param(None, "build", "not there", id="no-such-domain"),
        pytest.param("in shutdown", "build", "in shutdown", id="going-down"),
    ],
)
def test_a_domain_that_does_not_run_fails_with_what_mends_it(state, fix, words):
    check = login_judge.judge_running(NODE2, state, "build", "resume")
    assert (check.ok, check.host, check.fix) == (False, "node2", fix)
    assert "lab-node2" in check.measured
    assert words in check.measured


def test_a_domain_that_runs_passes():
    assert login_judge.judge_running(NODE2, "running", "build", "resume").ok


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param("refused", "refused", "10.10.0.12 refuses", id="no-sshd"),
        pytest.param("silent", "silent", "says nothing", id="sshd-hangs"),
        pytest.param("connect", "connect", "does not answer", id="guest-hangs"),
        pytest.param("connect: No route to host", "connect", "No route to host", id="nic-down"),
    ],
)
def test_a_port_that_is_dead_is_told_by_what_it_did(answer, kind, words):
    dead = login_judge.of_port(NODE2, answer)
    assert dead is not None
    assert dead.kind == kind
    check = login_judge.judge_login(NODE2, dead, "build")
    assert (check.ok, check.host, check.fix) == (False, "node2", "build")
    assert words in check.measured
    assert check.cause


def test_a_port_with_ssh_is_alive_and_a_login_there_passes():
    assert login_judge.of_port(NODE2, "ssh") is None
    assert login_judge.judge_login(NODE2, "node2", "build").ok


def test_the_consoles_last_lines_are_told():
    dead = Dead("connect", "no answer", ["one", "two", "three", "panic"])
    assert dead.text == "no answer; its console ends with: two | three | panic"


def test_an_identity_as_it_should_be_passes():
    check = identity.judge(NODE2, identity.parse(IDENTITY), CONTEXT)
    assert check.ok
    assert check.measured == check.expected


@pytest.mark.parametrize(
    ("old", "new", "measured", "fix"),
    [
        pytest.param("hostname node2", "hostname debian", "hostname 'debian'", "hostname node2;",
                     id="hostname"),
        pytest.param("user 2000 2000", "user 1000 1000", "user 'mpi' has 1000:1000", "site",
                     id="uid"),
        pytest.param("user 2000 2000", "user  ", "user 'mpi' has no uid", "site", id="no-user"),
        pytest.param(NODE2.data_mac, "02:00:00:00:00:01", "data0 has MAC 02:00:00:00:00:01",
                     f"address {NODE2.data_mac}", id="mac"),
        pytest.param(f"{NODE2.data_mac} 1", f"{NODE2.data_mac} 0", "data0 is down",
                     "ip link set data0 up", id="down"),
        pytest.param("10.0.0.12/24", "10.0.0.13/24", "data0 lacks 10.0.0.12/24",
                     "ip address del 10.0.0.13/24 dev data0", id="address"),
        pytest.param(f"nic mgmt0 {NODE2.management_mac} 1\n", "", "no interface mgmt0", "site",
                     id="no-nic"),
        pytest.param("3: mgmt0", "default via 10.10.0.1 dev mgmt0 \n3: mgmt0",
                     "route 'default via 10.10.0.1 dev mgmt0'",
                     "ip route del default via 10.10.0.1 dev mgmt0", id="default-route"),
    ],
)  # fmt: skip
def test_another_identity_is_told_with_what_mends_it(old, new, measured, fix):
    assert old in IDENTITY
    check = identity.judge(NODE2, identity.parse(IDENTITY.replace(old, new)), CONTEXT)
    assert check.ok is False
    assert measured in check.measured
    assert fix in check.fix


def test_an_identity_of_which_nothing_is_known_fails():
    assert identity.judge(NODE2, identity.parse(""), CONTEXT).ok is False


@pytest.mark.parametrize(
    ("text", "resolved", "words"),
    [
        pytest.param(FILE, RESOLVED, [], id="as-built"),
        pytest.param(f"127.0.1.1 node2\n{FILE}", RESOLVED.replace("10.0.0.12", "127.0.1.1"),
                     ["line '127.0.1.1 node2' is not of", "'node2' resolves to 127.0.1.1"],
                     id="loopback"),
        pytest.param(FILE.replace("10.0.0.13 node3\n", ""),
                     RESOLVED.replace("10.0.0.13 node3\n", ""),
                     ["line '10.0.0.13 node3' is missing", "'node3' resolves to nothing"],
                     id="missing"),
        pytest.param(FILE, "", [f"'{one.name}' resolves to nothing" for one in CLUSTER.guests],
                     id="nothing-resolves"),
        pytest.param(f"{FILE}# more\n", RESOLVED, ["comments"], id="only-a-comment-differs"),
    ],
)  # fmt: skip
def test_a_hosts_file_is_told_by_its_lines_and_its_answers(text, resolved, words):
    found = hosts_file.differences(wanted_addresses(CLUSTER), FILE, text, resolved)
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))
    check = hosts_file.judge(NODE2, found, "build")
    assert (check.ok, check.host) == (not words, "node2")


@pytest.mark.parametrize(
    ("found", "ok", "measured", "fix"),
    [
        pytest.param(Result(host=None), True, "as built", "build", id="same"),
        pytest.param(Result(host=None, changed=True, diff="~ /etc/a (mode)\n~ /etc/b (content)"),
                     False, "/etc/a (mode), ~ /etc/b (content)", "build", id="drift"),
        pytest.param(FarswitchError("No MPICH.", hint="do this"), False, "No MPICH.", "do this",
                     id="cannot-tell"),
    ],
)  # fmt: skip
def test_drift_is_what_a_build_would_change(found, ok, measured, fix):
    check = drift.judge("guest.mpi", "node2", found, "build")
    assert (check.ok, check.fix) == (ok, fix)
    assert measured in check.measured


NFT = (
    '=== nft\n{"nftables": [{"chain": {"family": "inet", "table": "t", "name": "in", '
    '"type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]}\n'
)
OPEN = '=== nft\n{"nftables": [{"metainfo": {}}]}\n'
SAVED = "\n=== iptables-legacy\n*filter\n:INPUT DROP [0:0]\n:OWN - [0:0]\n-A OWN -j DROP\nCOMMIT\n"
EMPTIED = "iptables-legacy -t filter -P INPUT ACCEPT; iptables-legacy -t filter -F"


@pytest.mark.parametrize(
    ("text", "ok", "measured", "fix"),
    [
        pytest.param("", True, "filters nothing", "", id="no-kernel-part-of-any"),
        pytest.param(OPEN, True, "filters nothing", "", id="nothing"),
        pytest.param(NFT, False, "inet t in", "nft flush ruleset", id="nft"),
        pytest.param(OPEN + SAVED, False, "filter INPUT (iptables-legacy), filter OWN",
                     EMPTIED, id="legacy"),
        pytest.param(SAVED, False, "filter OWN", EMPTIED, id="legacy-without-nft"),
        pytest.param(NFT + SAVED, False, "inet t in, filter INPUT",
                     f"nft flush ruleset; {EMPTIED}", id="both"),
        pytest.param("=== unseen nft\n", False, "not looked at: the guest has no nft",
                     "Use an image that has nft.", id="nft-is-missing"),
        pytest.param(OPEN + "\n=== unseen ip6tables-legacy\n", False, "not looked at",
                     "Use an image that has ip6tables-legacy.", id="legacy-is-missing"),
    ],
)  # fmt: skip
def test_a_guest_that_filters_or_was_not_looked_at_is_no_pass(text, ok, measured, fix):
    found = guest_firewall.parse(text)
    check = drift.judge_firewall("node2", found, lambda argv: argv[-1])
    assert (check.ok, check.fix) == (ok, fix)
    assert measured in check.measured


def test_a_look_at_a_guests_firewall_that_failed_is_a_failure():
    check = drift.judge_firewall("node2", FarswitchError("No nft.", hint="Look."), str)
    assert (check.ok, check.measured, check.fix) == (False, "not probed: No nft.", "Look.")


class Hypervisor:
    """libvirt and shell of one server: node1 runs with a dead sshd, node2 is off, node3 gone."""

    host = "server1"

    def list_domains(self):
        return (
            SimpleNamespace(name="lab-node1", state="running"),
            SimpleNamespace(name="lab-node2", state="shut off"),
        )

    def run(self, argv, **_):
        if argv[0] == "tail":
            return SimpleNamespace(status=0, stdout="login: \nOut of memory\n")
        assert argv[-1] == "10.10.0.11", "only a guest that runs is asked"
        return SimpleNamespace(status=0, stdout='{"10.10.0.11": "refused"}')


def test_dead_guests_are_judged_and_left_alone_from_then_on():
    server = Host("server1", data={"server": CLUSTER.hypervisors[0]})
    for kind in ("libvirt", "shell"):
        server.connections[kind] = SimpleNamespace(connection=Hypervisor())
    context = Context(
        CLUSTER, RECORD, 1450, HOSTS | {"server1": server}, Path("/l"), rebuild="build"
    )
    checks = {(one.name, one.host): one for one in checks_of(context, login.PROBE)}
    assert {key: one.ok for key, one in checks.items()} == {
        ("guest.running", "node1"): True,
        ("guest.login", "node1"): False,
        ("guest.running", "node2"): False,
        ("guest.login", "node2"): None,
        ("guest.running", "node3"): False,
        ("guest.login", "node3"): None,
    }
    assert "Out of memory" in checks["guest.login", "node1"].measured
    assert set(context.evidence.lost) == {"node1", "node2", "node3"}
    assert context.there() == ()


def test_a_hypervisor_without_guests_is_a_skip():
    server = Host("server9", data={"server": replace(CLUSTER.hypervisors[0], name="server9")})
    for kind in ("libvirt", "shell"):
        server.connections[kind] = SimpleNamespace(connection=Hypervisor())
    empty = replace(CLUSTER, hypervisors=(server["server"],))
    context = Context(empty, RECORD, 1450, HOSTS | {"server9": server}, Path("/l"), rebuild="build")
    told = [(one.name, one.ok) for one in checks_of(context, login.PROBE) if one.ok is None]
    assert told == [("guest.running", None), ("guest.login", None)]
