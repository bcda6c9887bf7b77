"""The verdicts on attacks, from what was counted."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.proof.frame_counts import ListenReport, Ready, listener
from tasks.checks.attack import run
from tasks.checks.attack.causes import cause_of
from tasks.checks.attack.expected import guest_attacks, outside_attacks
from tasks.checks.attack.judge import UNHEARD, Counted, Sent, judge, judge_legitimate
from tasks.checks.attack.kinds import Kind, Label, Outside, Place, attack_pairs
from tasks.checks.attack.probe import CHECKS
from tasks.checks.attack.run import Third, unjudged
from tasks.checks.attack.traffic import merged, send_and_count
from tests.unit.checks.test_check_attack_frames import servers

ALL = (1 << 100) - 1
SERVERS = servers()
GUESTS = SERVERS.cluster.guests
PAIRS = attack_pairs(GUESTS)
ATTACKS = {(one.label.kind, one.spared): one for one in guest_attacks(SERVERS, GUESTS, PAIRS)}
FINE = Sent(100, 100)


def counted_of(attack, *more, answers=None, without=(), start=ALL):
    """Return what is heard of a good attack that fails: its start, its controls; and more."""
    frames = {attack.label: {attack.start: start}}
    for at, (label, place) in enumerate(attack.controls):
        if at not in without:
            frames.setdefault(label, {})[place] = 1
    for place, numbers in more:
        frames[attack.label][place] = numbers
    return Counted(frames, answers or {})


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=lambda one: f"{one.label.kind.name}")
def test_nothing_arrived_and_all_was_made_and_heard_passes(attack):
    check = judge(attack, FINE, counted_of(attack), "mend")
    assert check.ok
    assert check.measured == f"0 of 100 {attack.text} arrived (control seen)"
    assert check.host == "server1"


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=lambda one: f"{one.label.kind.name}")
def test_one_control_unheard_is_a_failure(attack):
    for at, (_, place) in enumerate(attack.controls):
        check = judge(attack, FINE, counted_of(attack, without={at}), "mend")
        assert check.ok is False
        assert f"no control frame came in at {place}" in check.measured


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=lambda one: f"{one.label.kind.name}")
def test_one_frame_at_any_closed_place_is_a_failure_with_its_rule_named(attack):
    for place in attack.closed:
        if place.host == attack.spared:
            continue
        check = judge(attack, FINE, counted_of(attack, (place, 0b1000)), "mend")
        assert check.ok is False
        assert check.measured == f"1 of 100 {attack.text} arrived: 1 at {place}"
        assert "farswitch_lab" in check.cause
        assert check.fix == "mend"


def test_what_comes_back_to_the_attacker_is_no_arrival():
    attack = ATTACKS[Kind.ROUTE, "node1"]
    counted = counted_of(attack, (Place("node1", "mgmt0"), ALL), (Place("server1", "fsg41"), ALL))
    assert judge(attack, FINE, counted, "mend").ok


def test_frames_that_come_in_at_two_places_are_counted_once():
    attack = ATTACKS[Kind.PING, "node1"]
    counted = counted_of(
        attack, (Place("node2", "mgmt0"), 0b0111), (Place("node3", "data0"), 0b1110)
    )
    assert judge(attack, FINE, counted, "mend").measured == (
        "4 of 100 from node1 to node2 arrived: 3 at mgmt0 of node2, 3 at data0 of node3"
    )


@pytest.mark.parametrize(
    ("place", "address", "ok"),
    [
        (Place("node1", "mgmt0"), "10.10.0.12", False),
        (Place("node1", "mgmt0"), "10.0.0.12", False),
        (Place("node1", "mgmt0"), "10.10.0.1", True),
        (Place("node1", "data0"), "10.10.0.12", True),
        (Place("node2", "mgmt0"), "10.10.0.12", True),
    ],
    ids=["victim", "its data address", "server1", "over the switch", "somebody else"],
)
def test_an_answer_to_arp_for_the_victim_is_a_failure(place, address, ok):
    attack = ATTACKS[Kind.ARP, "node1"]
    counted = counted_of(attack, answers={place: {address: 7}})
    check = judge(attack, FINE, counted, "mend")
    assert check.ok is ok
    assert ok or check.measured.endswith(f"arrived: 7 answers from {address}")


@pytest.mark.parametrize(
    ("sent", "start", "why"),
    [
        (None, ALL, "its sender reported nothing"),
        (Sent(100, 60, "No buffer space"), ALL, "60 of 100 sent, No buffer space"),
        (Sent(100, 0), ALL, "0 of 100 sent, no error"),
        (FINE, ALL >> 1, "99 of 100 came to fsm41 of server1"),
        (FINE, 0, "0 of 100 came to fsm41 of server1"),
    ],
)
def test_an_attack_that_was_not_made_whole_is_a_failure(sent, start, why):
    attack = ATTACKS[Kind.IPV6, "node1"]
    check = judge(attack, sent, counted_of(attack, start=start), "mend")
    assert check.ok is False
    assert check.measured == f"not made from node1 to node2: {why}"


def test_what_arrived_counts_also_of_an_attack_that_was_not_made_whole():
    attack = ATTACKS[Kind.PING, "node1"]
    counted = counted_of(attack, (Place("node2", "mgmt0"), 1), start=1, without={0, 1})
    assert judge(attack, None, counted, "mend").measured.startswith("1 of 0 from node1 to node2")


def test_nothing_heard_at_all_fails_every_check():
    silence = Counted({})
    for attack in (*ATTACKS.values(), *outside_attacks(SERVERS, GUESTS, PAIRS)):
        assert judge(attack, FINE, silence, "mend").ok is False
    for opponents in PAIRS:
        assert judge_legitimate(opponents, FINE, silence, "mend").ok is False


def test_the_third_host_is_kept_out_of_each_server():
    one, far = outside_attacks(SERVERS, GUESTS, PAIRS)
    assert (one.host, far.host) == ("server1", "far")
    assert Place("server1", "fsv43") in one.closed
    assert Place("far", "fsv43") in far.closed - one.closed
    # Each tunnel must have counted: on the hypervisor who sends to its guest and who answers it, at
    # the switch itself.
    assert (Label(Kind.LEGITIMATE, 1), Place("server1", "fsv42")) in one.controls
    assert (Label(Kind.LEGITIMATE, 1), Place("far", "fsv41")) in far.controls
    assert (Label(Kind.LEGITIMATE, 1), Place("server1", "fsv41")) in one.controls
    assert (len(one.controls), len(far.controls)) == (2 * len(GUESTS), len(GUESTS))
    blind = judge(replace(one, controls=()), FINE, counted_of(one), "mend")
    assert (blind.ok, blind.cause) == (False, UNHEARD)
    for attack in (one, far):
        assert judge(attack, FINE, counted_of(attack), "mend").ok
        counted = counted_of(attack, (Place("node3", "data0"), 1))
        assert judge(attack, FINE, counted, "mend").ok is False


def test_a_server_whose_guests_are_all_lost_is_a_skip_with_its_reason():
    judged = {one.host for one in outside_attacks(SERVERS, GUESTS, PAIRS)}
    assert list(unjudged(SERVERS.cluster, judged)) == []
    (skip,) = unjudged(SERVERS.cluster, judged - {"server1"})
    assert (skip.name, skip.host, skip.ok) == ("attack.third_host", "server1", None)
    assert "none answers (node1, node2, node3)" in skip.measured
    empty = replace(SERVERS.cluster, guests=())
    assert "it has no guest" in next(iter(unjudged(empty, {"far"}))).measured


def test_every_wanted_attack_has_a_sentence_and_a_cause():
    names = {one.label.kind.check for one in ATTACKS.values()}
    assert names | {"attack.third_host", "attack.legitimate"} == set(CHECKS)
    assert len(ATTACKS) == (len(CHECKS) - 2) * len(GUESTS)
    causes = {one.cause for one in ATTACKS.values()}
    assert len(causes) >= len(names)
    assert "server" not in cause_of(Kind.THIRD_HOST, SERVERS.cluster)


@pytest.mark.parametrize(
    ("sent", "came", "ok"),
    [
        (Sent(110, 110), 110, True),
        (Sent(110, 110), 109, False),
        (Sent(110, 109, "No buffer space"), 109, False),
        (Sent(110, 109, "No buffer space"), 110, False),
        (Sent(0, 0), 0, False),
        (None, 0, False),
    ],
)
def test_the_legitimate_stream_arrives_whole_or_fails(sent, came, ok):
    place = Place("node2", "data0")
    counted = Counted({Label(Kind.LEGITIMATE, 1): {place: (1 << came) - 1}})
    check = judge_legitimate(PAIRS[0], sent, counted, "mend")
    assert check.ok is ok
    assert check.measured.startswith(f"{came} of {sent.sent if sent else 0} arrived at node2")


def test_reports_of_all_listeners_are_one():
    found = merged(
        {
            "node2": ListenReport(
                frames=[("data0", "in", None, 1, 1, "f"), ("data0", "in", 41, 1, 1, "f0"),
                        ("data0", "out", None, 1, 1, "f00"), ("data0", "in", None, 77, 1, "1")],
                answers=[], lost=0,
            ),
            "node1": ListenReport(
                frames=[("data0", "in", None, 1, 1, "3")],
                answers=[("mgmt0", "10.10.0.12", 4)], lost=0,
            ),
        }
    )  # fmt: skip
    label = Label(Kind.LEGITIMATE, 1)
    assert found.at(label, Place("node2", "data0")) == 8
    assert found.at(label, Place("node1", "data0")) == 2
    assert found.at(label, Place("node1", "mgmt0")) == 0
    assert set(found.frames) == {label}
    assert found.answers == {Place("node1", "mgmt0"): {"10.10.0.12": 4}}


READY = b'{"ready": true}\n'


class Program:
    """What a shell starts: it prints what it is given, and ends."""

    def __init__(self, *said, error=""):
        self.said, self.error, self.closed = list(said), error, False
        self.over = len(said) < 2

    def read(self, _limit):
        return self.said.pop(0) if self.said else b""

    def write(self, _data):
        if self.over:
            raise OSError("it ended")

    def stderr_tail(self):
        return self.error

    def close(self):
        self.closed = True


class Host:
    host = "node2"

    def __init__(self, program):
        self.program = program

    def start(self, argv):
        assert argv[0] == "python3"
        return self.program


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((), "ended: no python."),
        ((READY,), "ended: no python."),
        ((READY, b'{"frames": [["data0", 1, 1, "f"]],'), "ended: no python."),
        ((READY, b'{"frames": [],\n'), "reported '{\"frames\": [],' instead of 'ListenReport'."),
        ((READY, b'{"frames": [], "answers": [], ', b'"lost": 3}\n'), "lost 3 frames."),
        ((READY, b'{"frames": []}\n'), "reported '{\"frames\": []}' instead of 'ListenReport'."),
        ((READY, b"\n"), "ended: no python."),
    ],
    ids=["not started", "ended", "cut off", "cut in a line", "overrun", "not counted", "mute"],
)
def test_a_listener_that_did_not_hear_all_is_an_error_and_no_verdict(said, why):
    program = Program(*said, error="no python")
    with pytest.raises(FarswitchError) as caught:
        send_and_count(b"12345678", [], {"node2": ()}, lambda _name: Host(program))
    assert str(caught.value) == f"The listener on 'node2' {why}"
    assert program.closed


def test_a_listener_is_ended_when_its_time_is_up():
    program = Program(READY)
    with listener(Host(program), b"12345678", 0.05, ()) as started:
        started.receive(Ready)
        wait_until(lambda: program.closed, Deadline(5), what="The listener's end", interval=0.02)


def test_where_the_underlay_has_no_ethernet_no_third_host_is_tried(monkeypatch):
    told = []

    def quiet(_token, senders, _places, _shell):
        told.extend(sender.name for sender in senders)
        return {}, Counted({})

    monkeypatch.setattr(run, "send_and_count", quiet)
    place = replace(SERVERS, macs=dict.fromkeys(SERVERS.macs, ""))
    outside = Outside("u0", "02:00:00:00:00:77", ip_address("203.0.113.99"))
    shells = {guest.name: None for guest in GUESTS}
    checks = list(run.attack(place, GUESTS, shells, Third(outside, None), "mend"))
    assert told == [guest.name for guest in GUESTS]
    skips = {check.host for check in checks if check.ok is None}
    assert skips == {server.name for server in SERVERS.cluster.servers}
    assert not [check for check in checks if check.name == "attack.third_host" and check.ok]
