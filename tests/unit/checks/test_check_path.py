"""The proof of the way: a pair's bytes are on both of its ports of the switch, once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import CommandError
from farswitch.model.cluster import cluster
from farswitch.proof.pairing import Pairing
from farswitch.site.loader import ROOT, load_site
from tasks.checks.path.counters import (
    ONCE_FLOOR,
    Count,
    CountedTransfers,
    Reading,
    Transfer,
    conclude,
    judge,
    read,
)

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), 2)
NODE1, NODE2 = CLUSTER.guests
MET = [(NODE1, NODE2), (NODE2, NODE1)]
ALL = Pairing().of(2)
SIZE = 1_000_000
WIRE = 1_050_000
"""What a transfer of SIZE is on the wire."""


def reading(
    there: int = WIRE, back: int = WIRE, *, times: int = 1, management: int = 900
) -> Reading:
    """Return what is counted when node1 sends `there` bytes and node2 `back`."""
    ports = {
        "fsv41": Count(there * times, back * times),
        "fsv42": Count(back * times, there * times),
    }
    own = {"fsv41": Count(back, there), "fsv42": Count(there, back)}
    taps = {"fsm41": Count(management, 0), "fsm42": Count(0, management)}
    return Reading(ports, own | taps)


def traffic(counted: Reading, *, nic: int = WIRE, size: int = SIZE) -> CountedTransfers:
    pairs = [Transfer(NODE1, NODE2, size, counted), Transfer(NODE2, NODE1, size, counted)]
    return CountedTransfers(pairs, counted, {"node1": Count(nic, nic), "node2": Count(nic, nic)})


def failed(walked: CountedTransfers) -> set[tuple[str, str]]:
    checks = list(judge(CLUSTER, CLUSTER.guests, MET, walked, "fix"))
    names = ["path.counters", "path.management", "path.nics", "path.once"]
    assert sorted({check.name for check in checks}) == names
    assert len(checks) == 8
    return {(check.name, check.host) for check in checks if not check.ok}


def both(name: str) -> set[tuple[str, str]]:
    return {(name, "node1"), (name, "node2")}


def test_bytes_on_both_ports_once_are_a_proof() -> None:
    walked = traffic(reading())
    assert failed(walked) == set()
    assert conclude(CLUSTER, CLUSTER.guests, walked, ALL) == (
        "2,000,000 of 2,000,000 payload bytes between 2 nodes crossed switch 'server2'; "
        "management carried 1.8 kB."
    )


def test_headers_and_acknowledgements_are_no_payload() -> None:
    frames, lost = 700, 20_000
    port = Count(SIZE - lost + 66 * frames, 30_000, frames, 350)
    counted = Reading({"fsv41": port, "fsv42": port.turned()}, reading().hypervisors)
    walked = CountedTransfers([Transfer(NODE1, NODE2, SIZE, counted)], counted, {})
    assert port.received > SIZE
    assert ("path.counters", "node1") in failed(walked)


def test_what_is_flooded_to_a_guest_that_pauses_is_seen_in_that_round() -> None:
    quiet, flooded = reading(), reading()
    port = Count(0, 2 * ONCE_FLOOR)
    loud = Reading({**flooded.switch, "fsv43": port}, flooded.hypervisors)
    node3 = replace(NODE2, name="node3", index=3)
    for counted, ok in ((quiet, True), (loud, False)):
        ends = {"fsv43": Count(WIRE, WIRE), "fsm43": Count(0, 0)}
        own = Reading({"fsv43": Count(30_000, WIRE), **quiet.switch}, quiet.hypervisors | ends)
        other = Reading({"fsv43": Count(0, 0), **counted.switch}, counted.hypervisors | ends)
        rounds = [Transfer(NODE1, node3, SIZE, own), Transfer(NODE1, NODE2, SIZE, other)]
        walked = CountedTransfers(rounds, own, {"node3": Count(WIRE, WIRE)})
        (once,) = [
            check
            for check in judge(CLUSTER, [node3], [], walked, "fix")
            if check.name == "path.once"
        ]
        assert once.ok == ok


def test_the_sentence_names_who_took_no_part() -> None:
    told = conclude(CLUSTER, CLUSTER.guests, traffic(reading()), ALL, ["node3"])
    assert told.endswith("Left out: node3.")


def test_the_sentence_says_how_many_pairs_met_where_not_all_did() -> None:
    told = conclude(CLUSTER, CLUSTER.guests, traffic(reading()), Pairing(1).of(8))
    assert "between 2 nodes (12 of 28 pairs) crossed switch 'server2'" in told


def test_of_two_transfers_of_a_pair_the_worse_is_judged() -> None:
    good, bad = reading(), reading(there=SIZE - 1)
    for first, second in ((good, bad), (bad, good)):
        transfers = [Transfer(NODE1, NODE2, SIZE, first), Transfer(NODE1, NODE2, SIZE, second)]
        walked = CountedTransfers([*transfers, Transfer(NODE2, NODE1, SIZE, good)], good, {})
        assert ("path.counters", "node1") in failed(walked)


def test_a_direction_that_the_ports_did_not_see_fails_for_its_sender() -> None:
    walked = traffic(reading(there=SIZE - 1))
    assert ("path.counters", "node1") in failed(walked)
    assert ("path.counters", "node2") not in failed(walked)
    assert "1,999,999 of 2,000,000" in conclude(CLUSTER, CLUSTER.guests, walked, ALL)


def test_bytes_that_went_by_management_fail_twice() -> None:
    found = failed(traffic(reading(there=2_000, back=2_000, management=2 * WIRE), nic=2_000))
    assert found == both("path.counters") | both("path.management") | both("path.nics")


def test_half_by_management_fails_too() -> None:
    found = failed(
        traffic(reading(there=WIRE // 2, back=WIRE // 2, management=WIRE), nic=WIRE // 2)
    )
    assert both("path.counters") | both("path.management") <= found


def test_bytes_that_crossed_twice_are_seen() -> None:
    assert failed(traffic(reading(times=2))) == both("path.once")


def test_frames_that_were_flooded_to_an_idle_port_are_seen() -> None:
    three = cluster(load_site(str(ROOT / "inventory/lab")), 3)
    counted = reading()
    idle = {"fsv43": Count(0, 2 * WIRE)}
    quiet = {"fsv43": Count(0, 0), "fsm43": Count(0, 0)}
    walked = traffic(
        Reading({**counted.switch, **idle}, {**counted.hypervisors, **quiet}),
    )
    checks = list(judge(three, three.guests, MET, walked, "fix"))
    assert ("path.once", "node3") in {(one.name, one.host) for one in checks if not one.ok}


def test_a_pair_that_sent_nothing_has_failed() -> None:
    counted = reading()
    alone = CountedTransfers(
        [Transfer(NODE1, NODE2, SIZE, counted)], counted, traffic(counted).nics
    )
    assert ("path.counters", "node2") in failed(alone)
    assert both("path.counters") <= failed(traffic(counted, size=0))


def test_a_guest_whose_counters_are_missing_has_failed() -> None:
    counted = reading()
    walked = CountedTransfers(traffic(counted).transfers, counted, {"node1": Count(WIRE, WIRE)})
    assert failed(walked) == {("path.nics", "node2")}


@pytest.mark.parametrize(("carried", "good"), [(69_000, True), (71_000, False)])
def test_management_has_a_stated_bound(carried: int, good: bool) -> None:
    assert (both("path.management") <= failed(traffic(reading(management=carried)))) is not good


def test_an_interface_that_is_not_there_has_no_counters() -> None:
    assert list(read(LocalShell("here"), ["lo"])) == ["lo"]
    with pytest.raises(CommandError, match="nosuch"):
        read(LocalShell("here"), ["lo", "nosuch"])
