"""What guests reach of each other, judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.protocol import Completed
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.proof.check import APART, Check, folded
from farswitch.proof.context import Context
from farswitch.site.loader import ROOT, load_site
from tasks.checks.mtu.hops import Hop
from tasks.checks.reach import probe
from tasks.checks.reach.judge import NAMES, PairContext, by_guest, judge
from tasks.checks.reach.visit import Contact, Visit, parse, ports
from tests.proving import checks_of

SETTINGS = Settings(cluster="lab")
ONE, TWO, THREE = (Guest(f"node{number}", number, "server1", SETTINGS) for number in (1, 2, 3))
TAP = Hop("server1", "fsd42", "tap 'fsd42' of 'node2'", 1450, 1400, "node2", fix="set the tap")
OTHER = Hop("server1", "fsd43", "tap 'fsd43' of 'node3'", 1450, 1300, "node3", fix="not this")
VIEW = PairContext(1450, by_guest([TAP, OTHER]), "build", "ethtool -K fsv41 tx off")
OPEN = {"20000": "", "21999": ""}


def contact(*, icmp=True, exact=True, more=False, largest=1450, error="", tcp="", ports=OPEN):
    return Contact(
        icmp=icmp, exact=exact, more=more, largest=largest, error=error, tcp=tcp, ports=ports
    )


def checks(one: Contact, view: PairContext = VIEW):
    found = judge(ONE, [TWO], Visit(mtu=1450, peers={"node2": one}), view, [TWO])
    return {check.name: check for check in found}


DEAD = contact(icmp=False, exact=False, largest=0, error="No route to host", tcp="no port opens",
               ports={"20000": "silence"})  # fmt: skip
CASES = {
    "all-is-well": (contact(), set(), "", ""),
    "dead": (DEAD, set(NAMES), "no answer (No route to host)", "see 'reach.icmp'"),
    "small": (contact(exact=False, largest=1400), {"mtu.exact"}, "the largest that does has 1400 B",
              "tap 'fsd42' of 'node2' on 'server1' with MTU 1400"),
    "one-byte-more-passes": (contact(more=True), {"mtu.exact"}, "1451 B passes", "than 1450"),
    "ping-without-TCP": (contact(tcp="timed out after 6.0 s"), {"reach.tcp"}, "timed out",
                         "checksum offload"),
    "other-bytes": (contact(tcp="other bytes arrived"), {"reach.tcp"}, "other bytes", "offload"),
    "TCP-dies-of-the-MTU": (contact(exact=False, largest=1400, tcp="timed out"),
                            {"mtu.exact", "reach.tcp"}, "timed out", "see 'mtu.exact'"),
    "no-port-opens": (contact(tcp="no port opens", ports={"20000": "silence"}),
                      {"reach.tcp", "reach.mpi_ports"}, "closed: 20000 (silence)",
                      "a rule in 'node2' drops TCP"),
    "one-port-is-closed": (contact(ports={"20000": "", "21999": "Connection refused"}),
                           {"reach.mpi_ports"}, "closed: 21999 (Connection refused)",
                           "see 'guest.firewall'"),
    "no-port-was-tried": (contact(ports={}), {"reach.mpi_ports"}, "", ""),
}  # fmt: skip


@pytest.mark.parametrize(("one", "bad", "measured", "cause"), CASES.values(), ids=CASES)
def test_judge(one, bad, measured, cause):
    found = checks(one)
    assert {name for name, check in found.items() if not check.ok} == bad
    assert set(found) == set(NAMES)
    assert {check.host for check in found.values()} == {"node1"}
    assert measured in "\n".join(found[name].measured for name in bad)
    assert cause in "\n".join(found[name].cause for name in bad)
    assert all(found[name].fix for name in bad)


def test_the_fix_is_of_the_hop_that_is_on_the_way():
    small = contact(exact=False, largest=1400)
    assert checks(small)["mtu.exact"].fix == "set the tap"
    assert checks(small, PairContext(1450, {}, "build", ""))["mtu.exact"].fix == "build"


def test_checksum_offload_is_switched_off_by_the_fix():
    assert checks(contact(tcp="timed out"))["reach.tcp"].fix == "ethtool -K fsv41 tx off"


def test_every_other_guest_gets_a_verdict_and_none_passes_unasked():
    visit = Visit(mtu=1450, peers={"node2": contact()})
    found = list(judge(ONE, [TWO, THREE], visit, VIEW, [TWO]))
    assert len(found) == 2 * len(NAMES)
    unasked = [check for check in found if check.ok is None]
    assert [check.name for check in unasked] == list(NAMES)
    assert all("'node3' cannot be logged in to" in check.measured for check in unasked)
    assert [check.ok for check in judge(ONE, [TWO], None, VIEW, [])] == [None] * len(NAMES)
    failed = list(judge(ONE, [TWO], FarswitchError("no python3", hint="Install it."), VIEW, [TWO]))
    assert [(check.ok, check.fix) for check in failed] == [(False, "Install it.")] * len(NAMES)
    assert "not probed: no python3" in failed[0].measured


def test_those_that_do_not_meet_are_judged_by_what_was_pinged_alone():
    far = contact(tcp="no port opens", ports={"20000": "not tried"})
    visit = Visit(mtu=1450, peers={"node2": contact(), "node3": far})
    found = list(judge(ONE, [TWO, THREE], visit, VIEW, [TWO]))
    assert all(check.ok for check in found)
    assert [one.name for one in found] == [*NAMES, "mtu.exact", "reach.icmp"]


MANY = tuple(Guest(f"node{number}", number, "server1", SETTINGS) for number in range(1, APART + 2))


@pytest.mark.parametrize(("count", "passed"), [(APART, APART - 2), (APART + 1, 1)])
def test_of_many_guests_those_that_pass_share_a_verdict_and_no_other(count: int, passed: int):
    guest, *others, bad, silent = MANY[:count]
    peers = {**{one.name: contact() for one in others}, bad.name: DEAD}
    visit = Visit(mtu=1450, peers=peers)
    verdicts = judge(guest, [*others, bad, silent], visit, VIEW, [])
    found = [one for one in folded(verdicts, count) if one.name == "reach.icmp"]
    assert sorted(str(one.ok) for one in found) == sorted(
        ["False", "None", *["True"] * (passed if passed == 1 else len(others))]
    )
    assert any(one.ok is False and bad.name in one.measured for one in found)
    assert any(one.ok is None and silent.name in one.measured for one in found)
    good = [one.measured for one in found if one.ok]
    if passed == 1:
        assert good == [f"to node2: answers; {len(others) - 1} more like it"]
    else:
        assert good == [f"to {one.name}: answers" for one in others]


def test_a_hop_of_a_pair_explains_and_that_of_another_does_not():
    both = Hop("server1", "", "path to 'server2'", 1500, 1440, overhead=50, larger=True)
    ways = by_guest([TAP, OTHER, both])
    view = PairContext(1450, ways, "build", "")
    assert list(view.between(ONE, TWO)) == [TAP, both]
    assert list(view.between(ONE, THREE)) == [OTHER, both]
    assert list(view.between(ONE, MANY[3])) == [both]


def test_peers_of_which_the_same_was_found_are_there_once():
    peers = {one.name: contact().model_dump() for one in MANY}
    peers["node7"] = DEAD.model_dump()
    visit = parse("node1", Completed((), 0, json.dumps({"mtu": 1450, "peers": peers}), ""))
    assert visit == Visit.model_validate({"mtu": 1450, "peers": peers})
    assert len({id(one) for one in visit.peers.values()}) == 2
    assert visit.peers["node7"] == DEAD


def test_what_the_program_prints_is_read():
    one = {"icmp": True, "exact": True, "more": False, "largest": 1450, "error": "", "tcp": "",
           "ports": OPEN, "reached": True}  # fmt: skip
    said = json.dumps({"mtu": 1450, "peers": {"node2": one}})
    visit = parse("node1", Completed((), 0, said, ""))
    assert visit == Visit(mtu=1450, peers={"node2": contact()})


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        pytest.param(
            Completed((), 127, "", "env: 'python3': No such file"), "python3", id="no-tool"
        ),
        pytest.param(
            Completed((), 1, "", "a\nOSError: no data0\n"), "OSError: no data0", id="died"
        ),
        pytest.param(Completed((), 0, "{}", ""), "said nothing", id="says-nothing"),
        pytest.param(Completed((), -14, '{"peers', ""), "status -14", id="cut"),
    ],
)
def test_a_guest_without_our_tools_is_a_failure_that_says_so(ended, words):
    with pytest.raises(FarswitchError, match=words) as caught:
        parse("node1", ended)
    assert "needs python3" in caught.value.hint


def test_the_ends_of_both_port_ranges_are_tried():
    server = Server("s", "switch", "s", None)
    assert ports(Cluster(SETTINGS, (), server, ())) == [20000, 20099, 21000, 21999]


def test_guests_that_could_not_be_asked_at_all_are_no_skips(monkeypatch):
    def fail(_task, _context):
        raise FarswitchError("No program to run.")

    monkeypatch.setattr(probe, "survey", fail)
    monkeypatch.setattr(probe.visit, "visit", fail)
    site = cluster(load_site(str(ROOT / "inventory/lab")))
    hosts = {name: Host(name) for name in ("server1", "server2", "node1", "node2", "node3")}
    found = checks_of(Context(site, None, 1450, hosts, Path("/logins")), probe.PROBE)
    assert {(one.name, one.ok) for one in found} == {(name, False) for name in probe.PROBE.checks}
    assert all("No program to run" in one.measured for one in found)


NETWORK = Check(
    "guest.network", "node2", ok=False, measured="route 'blackhole 10.0.0.11'", expected="",
    fix="delete it there",
)  # fmt: skip


@pytest.mark.parametrize(("host", "fix"), [("node2", "delete it there"), ("node3", "build")])
def test_a_guest_whose_own_network_is_wrong_explains_and_mends_its_pairs_alone(host, fix):
    found = checks(DEAD, replace(VIEW, faults={host: replace(NETWORK, host=host)}))
    assert {found[name].fix for name in ("mtu.exact", "reach.icmp", "reach.mpi_ports")} == {fix}
    said = "'guest.network' of 'node2' failed: route 'blackhole 10.0.0.11'."
    assert (found["reach.icmp"].cause == said) == (host == "node2")
