"""MPI's ladder: what its rungs, its sockets and its settings are judged by."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from farswitch.errors import FarswitchError
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check
from farswitch.proof.mpi_job import PairTimes, RingPassed
from farswitch.proof.pairing import Pairing
from farswitch.proof.round_robin import rounds
from farswitch.site.loader import ROOT, load_site
from tasks.checks.mpi import device, ladder, sockets
from tasks.checks.mpi.matrix import MATRIX, NAMED, bandwidth, far_off, matrix
from tasks.checks.mpi.pairs import PAYLOAD, Exchange, better, judge_pair
from tasks.checks.path.counters import Reading

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")))
NODE1, NODE2, NODE3 = CLUSTER.guests
PAIR = PairTimes.model_validate(
    {
        "from": 0,
        "to": 1,
        "bytes": PAYLOAD,
        "seconds": 0.1,
        "latency": 0.0005,
        "intact": True,
    }
)


def pair(**values: float) -> PairTimes:
    """Return the times of a pair with other values."""
    return PAIR.model_copy(update=values)


EVERY = Pairing(all_pairs=True)
SOCKETS = """\
300 301
200 299 300
0 0 10.0.0.11:22 10.10.0.1:40000 users:(("sshd",pid=9,fd=4))
0 0 10.10.0.11:40001 10.10.0.12:40002 users:(("mpiexec.mpich",pid=900,fd=7))
0 0 10.10.0.11:40003 10.10.0.12:40004 users:(("hydra_pmi_proxy",pid=901,fd=7))
0 0 10.10.0.11:40005 10.10.0.12:40006 users:(("python3",pid=902,fd=7))
0 0 10.0.0.11:20000 10.0.0.12:50001 users:(("mpiexec.mpich",pid=200,fd=7),("x",pid=1,fd=7))
0 0 10.0.0.11:36816 10.0.0.13:21364 users:(("python3",pid=300,fd=25))
"""


@pytest.mark.parametrize("count", range(10))
def test_each_two_meet_once_and_nobody_is_in_two_pairs_of_a_round(count: int) -> None:
    met = list(rounds(count))
    assert sorted(pair for pairs in met for pair in pairs) == list(combinations(range(count), 2))
    for pairs in met:
        busy = [one for pair in pairs for one in pair]
        assert len(busy) == len(set(busy))
    assert len(met) <= max(0, count - 1 + count % 2)


def exchanged(times: list[PairTimes], *, count: int = 3, pairing: Pairing = EVERY) -> Exchange:
    """Return what is known after all have met once."""
    guests = cluster(load_site(str(ROOT / "inventory/lab")), count).guests
    made = Exchange(guests, pairing.of(count))
    made.tried += [pair for pairs in made.meetings.rounds for pair in pairs]
    made.ended(times, Reading({}, {}))
    return made


def test_a_pair_tells_latency_and_bandwidth() -> None:
    check = judge_pair(NODE1, NODE2, PAIR, "fix")
    assert (check.ok, check.host, check.measured) == (True, "node1", "to node2: 500 µs, 168 Mbit/s")
    spoiled = judge_pair(NODE1, NODE2, pair(intact=False), "fix")
    assert spoiled.ok is False
    assert "changed" in spoiled.measured
    assert judge_pair(NODE1, NODE2, pair(bytes=1), "fix").ok is False


def test_a_direction_of_which_nothing_was_told_has_failed() -> None:
    made = exchanged([PAIR], count=2)
    (there, back) = made.judge("fix")
    assert (there.ok, there.host) == (True, "node1")
    assert (back.ok, back.host, back.measured) == (False, "node2", "to node1: nothing sent")


@pytest.mark.parametrize(
    ("nodes", "ok"),
    [
        (["node1", "node2", "node3"], True),
        (["node3", "node1", "node2"], True),
        (["node1", "node1", "node2"], False),
        (["node1", "node2"], False),
        ([], False),
    ],
)
def test_a_barrier_counts_where_each_guest_has_one_rank(nodes: list[str], ok: bool) -> None:
    assert ladder.judge_nodes("node1", nodes, CLUSTER.guests, "").ok is ok


@pytest.mark.parametrize("intact", [True, False])
def test_a_ring_counts_where_the_message_is_intact(intact: bool) -> None:
    told = RingPassed(rung="ring", bytes=1450, seconds=0.01, intact=intact)
    assert ladder.judge_ring("node1", told, 3, "").ok is intact


def test_the_matrix_has_a_row_a_sender() -> None:
    back = pair(sender=1, receiver=0, seconds=0.2)
    lines = matrix(CLUSTER.guests[:2], [PAIR, back])
    assert [line.split() for line in lines] == [
        ["µs", "/", "Mbit/s", "to", "node1", "node2"],
        ["from", "node1", "-", "500/168"],
        ["from", "node2", "500/84", "-"],
    ]


@pytest.mark.parametrize("count", [3, MATRIX, MATRIX + 1, 32, 100])
def test_the_matrix_fits_on_a_screen_and_has_a_row_a_sender(count: int) -> None:
    guests = cluster(load_site(str(ROOT / "inventory/lab")), count).guests
    pairs = [
        pair(sender=one, receiver=other)
        for one in range(count)
        for other in range(count)
        if one != other
    ]
    lines = matrix(guests, pairs)
    assert len(lines) == 1 + count
    assert max(map(len, lines)) <= 100
    assert all("500" in line and "168" in line for line in lines[1:])


def test_a_large_matrix_names_the_slowest_pair_of_each_sender() -> None:
    guests = cluster(load_site(str(ROOT / "inventory/lab")), 20).guests
    pairs = [pair(receiver=one) for one in range(1, 19)]
    pairs[3] = pair(receiver=4, latency=0.009)
    pairs[6] = pair(receiver=7, seconds=1.0)
    first, second = matrix(guests, pairs)[1:3]
    assert first.split()[2:6] == ["500", "500", "9000", "node5"]
    assert first.split()[6:] == ["17", "168", "168", "node8"]
    assert second.split() == ["from", "node2", *["-"] * 8]


def every_pair(count: int, slow: set[tuple[int, int]], **worse: float) -> list[PairTimes]:
    return [
        pair(sender=one, receiver=other, **(worse if (one, other) in slow else {}))
        for one in range(count)
        for other in range(count)
        if one != other
    ]


@pytest.mark.parametrize(
    ("count", "slow", "worse"),
    [
        pytest.param(3, {(0, 2), (1, 2)}, {"seconds": 3.2}, id="into-one-port"),
        pytest.param(3, {(0, 2), (1, 2), (2, 0), (2, 1)}, {"seconds": 3.2}, id="a-port-both-ways"),
        pytest.param(4, {(3, 1)}, {"seconds": 4.0, "latency": 0.05}, id="one-way"),
    ],
)
def test_pairs_far_off_the_usual_are_named(count: int, slow: set[Any], worse: Any) -> None:
    guests = cluster(load_site(str(ROOT / "inventory/lab")), count).guests
    lines = far_off(guests, every_pair(count, slow, **worse))
    named = {tuple(line.split()[2:5:2]) for line in lines}
    assert named == {(guests[one].name, guests[other].name) for one, other in slow}
    assert all("usual here are 500 and 168" in line for line in lines)


def test_what_was_slow_for_a_moment_is_measured_once_more_and_not_shown() -> None:
    made = exchanged(every_pair(4, {(0, 3), (2, 1)}, seconds=4.0), count=4)
    assert sorted(pair for pairs in made.again() for pair in pairs) == [(0, 3), (1, 2)]
    assert all(pairs for pairs in made.again())
    made.ended([pair(sender=0, receiver=3), pair(sender=3, receiver=0)], Reading({}, {}))
    made.ended([pair(sender=2, receiver=1, seconds=3.5)], Reading({}, {}))
    (line,) = far_off(made.guests, made.pairs)
    assert "node3 to node2" in line
    assert len(made.transfers) == 12 + 3, "the second ones are counted too"
    assert len(list(made.judge("fix"))) == 12, "one verdict a pair"


def test_nothing_is_measured_again_where_all_are_alike() -> None:
    assert list(exchanged(every_pair(4, set()), count=4).again()) == []


def test_a_second_measure_hides_no_damage_of_the_first() -> None:
    spoiled, fast = pair(intact=False, seconds=9.0), pair(seconds=0.05)
    for first, second in ((spoiled, fast), (fast, spoiled)):
        both = better(first, second)
        assert (bandwidth(both), both.intact) == (bandwidth(fast), False)


def test_pairs_that_are_not_to_meet_have_no_verdict() -> None:
    made = exchanged(every_pair(8, set()), count=8, pairing=Pairing(1))
    found = list(made.judge("fix"))
    assert len(found) == 2 * 12
    assert {check.host for check in found} == {guest.name for guest in made.guests}


def test_many_of_them_are_counted() -> None:
    guests = cluster(load_site(str(ROOT / "inventory/lab")), 8).guests
    lines = far_off(guests, every_pair(8, {(7, one) for one in range(7)}, seconds=9.0))
    assert len(lines) == NAMED + 1
    assert lines[-1] == "Far off too: 2 more pairs."


@pytest.mark.parametrize(
    ("count", "worse"), [(3, {"seconds": 0.9}), (4, {"latency": 0.05}), (2, {"seconds": 30.0})]
)
def test_what_a_busy_machine_does_to_a_pair_is_not(count: int, worse: Any) -> None:
    guests = cluster(load_site(str(ROOT / "inventory/lab")), count).guests
    assert far_off(guests, every_pair(count, {(0, 1)}, **worse)) == []


def test_a_jobs_sockets_are_told_from_others() -> None:
    found = sockets.parse(SOCKETS)
    assert [(one.rank, one.local[1], one.peer[1]) for one in found] == [
        (False, 20000, 50001),
        (True, 36816, 21364),
    ]
    assert sockets.judge(NODE1, found, "").ok is True


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('0 0 10.0.0.11:36816 10.0.0.13:40001 users:(("python3",pid=300,fd=1))', "no port of"),
        ('0 0 10.10.0.11:21001 10.10.0.13:4 users:(("python3",pid=300,fd=1))', "10.10.0.11:21001"),
        ('0 0 [fe80::1]:21001 [fe80::2]:4 users:(("python3",pid=300,fd=1))', "not on the data"),
        (
            '0 0 10.0.0.11:21000 10.0.0.13:4 users:(("hydra_pmi_proxy",pid=299,fd=1))',
            "no port of 2000",
        ),
    ],
)
def test_a_socket_elsewhere_is_named(line: str, why: str) -> None:
    check = sockets.judge(NODE1, sockets.parse(SOCKETS + line), "")
    assert check.ok is False
    assert why in check.measured


def test_a_job_without_payload_connections_is_no_proof() -> None:
    assert sockets.judge(NODE1, sockets.parse("300\n299\n"), "").ok is False
    assert sockets.judge(NODE1, sockets.parse(""), "").ok is False


@pytest.mark.parametrize(("rung", "judged"), [("mpi.init", 0), ("mpi.ring", 2), ("mpi.pairs", 3)])
def test_a_rung_that_was_not_reached_leaves_a_word_on_each_node(rung: str, judged: int) -> None:
    state = ladder.LadderState(rung=rung)
    for name in ("mpi.init", "mpi.barrier", "mpi.ring")[:judged]:
        state.checks.append(Check(name, "node1", ok=True, measured="", expected=""))
    found = [*ladder._fallen(state, "node1", FarswitchError("No."), CLUSTER.guests, "fix")]
    found += ladder._uncounted(CLUSTER.guests, rung, "fix")
    assert [(one.name, one.host) for one in found if one.name == rung and one.ok is False] == [
        (rung, "node1")
    ]
    told = {(one.name, one.host) for one in found}
    assert {(name, one.name) for name in ladder.EACH for one in CLUSTER.guests} <= told
    assert all(one.ok is None for one in found if one.name != rung and "path" not in one.name)


ENVIRONMENT = """\
MPICH Version:\t4.0.2
MPICH Device:\tch4:ucx
==
UCX_NET_DEVICES=data0
UCX_TLS=tcp,self,sm
UCX_TCP_PORT_RANGE=21000-21999
"""


@pytest.mark.parametrize(
    ("old", "new", "ok"),
    [
        pytest.param("", "", True, id="as-built"),
        pytest.param("DEVICES=data0", "DEVICES=mgmt0", False, id="other-nic"),
        pytest.param("DEVICES=data0", "DEVICES=all", False, id="all-nics"),
        pytest.param("UCX_TLS=tcp,self,sm\n", "", False, id="transport-unset"),
        pytest.param("21000-21999", "30000-30999", False, id="other-ports"),
        pytest.param("ch4:ucx", "ch3:nemesis", False, id="pins-of-another-device"),
        pytest.param("ch4:ucx", "ch5:new", False, id="unknown-device"),
    ],
)
def test_the_sessions_variables_choose_the_nic(old: str, new: str, ok: bool) -> None:
    built_with, variables = device.parse(ENVIRONMENT.replace(old, new))
    check = device.judge_nic(NODE2, built_with, variables, "")
    assert (check.ok, check.host) == (ok, "node2")


@pytest.mark.parametrize(
    ("text", "ok"), [(ENVIRONMENT, True), ("==\n", False), ("MPICH Device: ch5:new\n==\n", False)]
)
def test_a_device_is_one_that_can_be_pinned(text: str, ok: bool) -> None:
    assert device.judge_device(NODE3, device.parse(text)[0], "").ok is ok
