"""What is said of a server's settings, bridges, isolation and guard, one row a case."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from farswitch.connections.netlink.links import Link, Port
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.firewall.guard import differences, is_foreign, plan
from farswitch.links.wanted import wanted_bridges
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof.fixes import Fixes
from farswitch.sysctl.files import SYSCTL_FILE, UDEV_FILE, WANTED, render
from farswitch.sysctl.plan import SysctlState
from tasks.checks.server import bridges as server_bridges
from tasks.checks.server import drift, guard, isolation, sysctl
from tasks.checks.server.sysctl import Setters, cause_of

SETTINGS = Settings(cluster="t")
ONE = Server("server1", "hypervisor", "h1", ip_address("198.51.100.11"))
TWO = Server("server2", "switch", "h2", ip_address("198.51.100.12"))
GUESTS = tuple(Guest(f"node{at}", at, "server1", SETTINGS) for at in (1, 2))
CLUSTER = Cluster(SETTINGS, (ONE,), TWO, GUESTS)
CALL = "net.bridge.bridge-nf-call-iptables"
OTHERWISE = "it is not as built: its flags or the order of its rules differ"
FILES = {path: text.strip("\n") for path, text in render(frozenset({"t"})).items()}


def command(argv):
    return f"on it: {' '.join(argv)}"


def settings(values=None, files=None, later=(), who=None):
    have = SysctlState({**WANTED, **(values or {})}, {**FILES, **(files or {})}, frozenset(), later)
    if values and None in values.values():
        kept = {key: one for key, one in have.values.items() if one is not None}
        have = replace(have, values=kept)
    fixes = Fixes("build", command)
    return list(sysctl.judge("server1", "t", have, who or Setters(), fixes))


def test_each_setting_and_file_is_a_check_of_its_own():
    found = settings()
    assert [one.ok for one in found] == [True] * (len(WANTED) + 2)
    assert found[0].measured == "net.ipv4.ip_forward = 1"


@pytest.mark.parametrize(
    ("values", "measured"),
    [
        pytest.param({CALL: "1"}, f"{CALL} = 1", id="set-again"),
        pytest.param({"net.ipv4.ip_forward": "0"}, "net.ipv4.ip_forward = 0", id="no-routing"),
        pytest.param(
            {"net.ipv4.ip_forward": None}, "net.ipv4.ip_forward = not there", id="unreadable"
        ),
    ],
)
def test_setting_with_another_value_is_named(values, measured):
    (found,) = (one for one in settings(values) if not one.ok)
    assert (found.measured, found.fix) == (measured, "build")
    assert found.cause


def test_keys_that_no_module_has_yet_are_right():
    found = settings(dict.fromkeys(key for key in WANTED if "bridge" in key))
    assert all(one.ok for one in found)
    assert f"{CALL} = not there: br_netfilter is not loaded" in {one.measured for one in found}


def test_file_that_wins_after_a_reboot_is_told_and_no_failure():
    later = (f"{CALL} will be 1 after a reboot, until the next build: '/etc/sysctl.conf' says so.",)
    (found,) = (one for one in settings(later=later) if one.measured.startswith(f"{CALL} ="))
    assert (found.ok, "after a reboot" in found.measured) == (True, True)


@pytest.mark.parametrize(
    ("path", "content", "told", "fix"),
    [
        pytest.param(SYSCTL_FILE, None, "not there", "build", id="gone"),
        pytest.param(UDEV_FILE, None, "not there", "build", id="rule-gone"),
        pytest.param(SYSCTL_FILE, "net.ipv4.ip_forward = 1", "not of farswitch",
                     f"on it: rm {SYSCTL_FILE} && build", id="somebody-elses"),
        pytest.param(SYSCTL_FILE, FILES[SYSCTL_FILE].replace("= 0", "= 1", 1),
                     "does not say the same", "build", id="edited"),
        pytest.param(SYSCTL_FILE, render(frozenset({"u"}))[SYSCTL_FILE], "does not name 't'",
                     "build", id="of-another-cluster"),
    ],
)  # fmt: skip
def test_file_that_is_not_as_written_is_named(path, content, told, fix):
    files = {path: content} if content is not None else {}
    have = {one: text for one, text in FILES.items() if one != path} | files
    seen = SysctlState(dict(WANTED), have, frozenset())
    fixes = Fixes("build", command)
    (found,) = (one for one in sysctl.judge("server1", "t", seen, Setters(), fixes) if not one.ok)
    assert (found.measured, found.fix) == (f"{path}: {told}", fix)


def test_file_of_two_clusters_is_right_for_both():
    both = {path: text.strip("\n") for path, text in render(frozenset({"t", "u"})).items()}
    assert all(one.ok for one in settings(files=both))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(f"/etc/sysctl.d/50-x.conf {CALL} = 1", "'/etc/sysctl.d/50-x.conf' says so",
                     id="file"),
        pytest.param("/etc/sysctl.conf -net/bridge/bridge-nf-call-iptables=1",
                     "'/etc/sysctl.conf' says so", id="other-spelling"),
        pytest.param(f"/etc/sysctl.d/50-x.conf {CALL} = 0\nDOCKER", "Docker runs here",
                     id="docker"),
        pytest.param("", "br_netfilter was loaded again", id="nobody-known"),
        pytest.param(f"{SYSCTL_FILE} {CALL} = 1", "br_netfilter was loaded again", id="our-own"),
    ],
)  # fmt: skip
def test_who_usually_sets_it(text, words):
    assert words in cause_of(CALL, "1", Setters.parse(text))


def bridges(server=TWO, **changed):
    want = wanted_bridges(CLUSTER, server, mtu=1450)
    have = [
        Link(0, one.name, "bridge", one.mtu, group=CLUSTER.owner.link_group, alias=one.alias,
             altnames=(one.altname,), arp=one.arp, link_local=False,
             addresses=(one.address,) if one.address else ())
        for one in want
    ]  # fmt: skip
    have = [replace(link, **changed.get(link.name, {})) for link in have]
    have = [link for link in have if link.name not in changed.get("gone", ())]
    owner, fixes = CLUSTER.owner, Fixes("build", command)
    return list(server_bridges.judge(server.name, have, want, owner, fixes))


def test_bridges_as_built_pass_one_by_one():
    assert [one.measured for one in bridges(ONE)] == [
        "fsg41: as built", "fsb41: as built", "fsb42: as built",
    ]  # fmt: skip
    assert all(one.ok for one in bridges(ONE) + bridges())


@pytest.mark.parametrize(
    ("changed", "measured", "fix"),
    [
        pytest.param({"fss41": {"up": False}}, "fss41: up is False instead of True", "build",
                     id="down"),
        pytest.param({"fss41": {"stp": True}}, "fss41: stp is True instead of False", "build",
                     id="stp"),
        pytest.param({"fss41": {"arp": True}}, "fss41: arp is True instead of False", "build",
                     id="answers"),
        pytest.param({"gone": ["fss41"]}, "fss41: it is not there", "build", id="gone"),
        pytest.param({"fss41": {"addresses": (ip_interface("10.1.1.1/24"),)}},
                     "fss41: it has the address 10.1.1.1/24",
                     "on it: ip addr del 10.1.1.1/24 dev fss41", id="address"),
        pytest.param({"fss41": {"alias": "", "group": 0}},
                     "fss41: Interface 'fss41' on server 'server2' exists without our mark.",
                     "on it: ip link del dev fss41 && build", id="foreign"),
        pytest.param({"fss41": {"mtu": 1400}}, "fss41: as built", "", id="mtu-has-its-own-family"),
    ],
)  # fmt: skip
def test_bridge_that_differs_is_told(changed, measured, fix):
    (found,) = bridges(**changed)
    assert (found.measured, found.ok) == (measured, not fix)
    assert found.fix == fix
    assert bool(found.cause) == bool(fix)


def test_management_bridge_without_its_address_is_told():
    first, *rest = bridges(ONE, fsg41={"addresses": ()})
    assert (first.ok, [one.ok for one in rest]) == (False, [True, True])
    assert "address is none instead of 10.10.0.1/24" in first.measured


@pytest.mark.parametrize(
    ("link", "ok", "words"),
    [
        pytest.param(Link(0, "fsm41", master="fsg41", port=Port(isolated=True)), True,
                     "isolated in fsg41", id="isolated"),
        pytest.param(Link(0, "fsm41", master="fsg41", port=Port()), False,
                     "not isolated in fsg41", id="switched-off"),
        pytest.param(Link(0, "fsm41", master="br0", port=Port(isolated=True)), False,
                     "isolated in br0", id="elsewhere"),
        pytest.param(Link(0, "fsm41"), False, "plugged in no bridge", id="in-no-bridge"),
        pytest.param(Link(0, "other"), None, "the guest is off", id="off"),
    ],
)  # fmt: skip
def test_isolation_of_a_management_port(link, ok, words):
    (found,) = isolation.judge(CLUSTER, GUESTS[:1], [link], {}, "build")
    assert (found.host, found.ok) == ("server1", ok)
    assert words in found.measured
    assert "fsm41 of node1" in found.measured


def test_a_running_guest_without_its_management_port_is_no_guest_that_is_off():
    running = {GUESTS[0].domain: "end it"}
    (found,) = isolation.judge(CLUSTER, GUESTS[:1], [], running, "build")
    assert (found.ok, found.fix) == (False, "end it && build")
    assert "its domain runs" in found.measured


def listing(*rules, prio=-150, policy="accept", chain="input", comment="farswitch:t"):
    place = {"family": "inet", "table": "farswitch_t"}
    return [
        {"table": {"family": "inet", "name": "farswitch_t", "handle": 1}},
        {"chain": {**place, "name": chain, "type": "filter", "hook": "input", "prio": prio,
                   "policy": policy, "handle": 2}},
        *({"rule": {**place, "chain": chain, "handle": at, "expr": [{"match": one}, {"drop": None}],
                    "comment": comment}} for at, one in enumerate(rules, start=9)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("have", "told"),
    [
        pytest.param(listing(1, 2), [], id="same"),
        pytest.param([], ["it is not there"], id="gone"),
        pytest.param(listing(), ["chain 'input' lacks 2 of 2 rules"], id="flushed"),
        pytest.param(listing(1), ["chain 'input' lacks 1 of 2 rules"], id="one-rule-gone"),
        pytest.param(listing(1, 2, 3), ["chain 'input' has 1 rules that are not of the guard"],
                     id="one-more"),
        pytest.param(listing(2, 1), [OTHERWISE], id="order"),
        pytest.param(listing(1, 2, prio=0),
                     ["chain 'input' has priority 0 instead of -150"], id="priority"),
        pytest.param(listing(1, 2, policy="drop"),
                     ["chain 'input' has policy drop instead of accept"], id="policy"),
        pytest.param(listing(1, 2, chain="other"),
                     ["chain 'input' is not there", "chain 'other' is not of the guard"],
                     id="chain"),
        pytest.param([{"table": {"name": "farswitch_t", "family": "inet", "flags": "dormant"}},
                      *listing(1, 2)[1:]],
                     [OTHERWISE],
                     id="dormant"),
    ],
)  # fmt: skip
def test_differences_of_a_guard_are_what_a_build_replaces_it_for(have, told):
    want = listing(1, 2)
    assert differences(have, want) == told
    tables = ({"inet": have, "bridge": []}, {"inet": want, "bridge": []})
    changes = plan(*tables, {"inet": "text"}, CLUSTER.owner, server="server1")
    assert [change.text for change in changes] == (["text"] if told else [])


@pytest.mark.parametrize(
    ("have", "foreign"),
    [
        pytest.param([], False, id="none"),
        pytest.param(listing(1), False, id="ours"),
        pytest.param(listing(), False, id="ours-flushed"),
        pytest.param(listing(1, comment="x"), True, id="without-our-mark"),
        pytest.param(listing()[:1], True, id="empty-table"),
    ],
)
def test_whose_table_it_is(have, foreign):
    assert is_foreign(have, "farswitch:t") == foreign


def test_table_that_should_be_there_and_is_not_is_a_failure():
    tables = {"inet": listing(1), "bridge": []}
    (found,) = guard.judge("server2", "farswitch_t", {}, tables, lambda family: "build")
    assert (found.host, found.ok, found.fix) == ("server2", False, "build")
    assert found.measured == "table inet farswitch_t: it is not there"


def test_drift_tells_each_change():
    assert drift.judge("server1", "guard", "", "build").ok
    found = drift.judge("server1", "guard", "+ a\n~ b\n", "build")
    assert (found.ok, found.measured, found.fix) == (False, "guard: + a; ~ b", "build")


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        pytest.param(FarswitchError("No.", hint="Do it."), "", id="a-sentence-only"),
        pytest.param(ForeignObjectError("Interface", "fss41", "server1"),
                     "on it: ip link del dev fss41 && build", id="interface"),
        pytest.param(ForeignObjectError("A tunnel with VNI 41 on UDP port 4789, interface", "x",
                                        "server1"), "on it: ip link del dev x && build",
                     id="tunnel"),
        pytest.param(ForeignObjectError("nft table (inet)", "farswitch_t", "server1"),
                     "on it: nft delete table inet farswitch_t && build", id="table"),
        pytest.param(ForeignObjectError("File", "/etc/x", "server1"), "on it: rm /etc/x && build",
                     id="file"),
    ],
)  # fmt: skip
def test_what_a_build_refuses_is_a_failure_with_what_to_do(error, fix):
    fixes = Fixes("build", command)
    found = drift.refused("server1", "guard", error, fixes)
    assert (found.ok, found.measured, found.fix) == (False, f"guard: {error}", fix)
    assert error.hint in found.cause
