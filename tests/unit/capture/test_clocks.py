"""How far two servers' clocks are apart, from frames that both have seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.capture.clocks import MOST, ClockComparison, ClockOffset, without_sum
from farswitch.capture.frames import CapturedFrame
from tests.unit.capture.sightings import FAR, NEAR, TAP, TUNNELS, ping, seen, wrapped

Frames = list[CapturedFrame]


def crossed(number: int, delay: int, *, back: bool = False, tcp: bool = False) -> Frames:
    """Return both sightings of a frame; the second server's clock is as it is."""
    frame = wrapped(ping(number, tcp=tcp, back=back))
    out, into = (FAR, NEAR) if back else (NEAR, FAR)
    return [seen(out, frame, number * 10**6, out=True), seen(into, frame, number * 10**6 + delay)]


def compared(*frames: CapturedFrame) -> list[ClockOffset]:
    clocks = ClockComparison(TUNNELS)
    for frame in frames:
        clocks.take(frame)
    return list(clocks.offsets())


def offset(nanoseconds: int, bound: int, there: int, back: int) -> ClockOffset:
    """Return how far server1's clock is ahead of that of 'far'; there is from 'far' to it."""
    return ClockOffset("server1", "far", nanoseconds, bound, there, back)


@pytest.mark.parametrize(
    ("there", "back", "expected"),
    [
        pytest.param([50], [50], (0, 50), id="equal"),
        pytest.param([1050], [-950], (-1000, 50), id="far-is-ahead"),
        pytest.param([-950], [1050], (1000, 50), id="far-is-behind"),
        pytest.param([900, 60, 300], [40, 5000], (-10, 50), id="the-quickest-count"),
    ],
)
def test_the_quickest_frame_each_way_gives_offset_and_bound(there, back, expected):
    frames = [one for at, delay in enumerate(there, 1) for one in crossed(at, delay)]
    frames += [one for at, delay in enumerate(back, 50) for one in crossed(at, delay, back=True)]
    assert compared(*frames) == [offset(*expected, len(back), len(there))]


def test_either_sighting_may_come_first():
    frames = [*crossed(1, 1050), *crossed(2, -950, back=True)]
    assert compared(*reversed(frames)) == compared(*frames) == [offset(-1000, 50, 1, 1)]


def test_frames_of_one_way_alone_say_nothing():
    assert compared(*crossed(1, 50), *crossed(2, 50)) == []


def test_frames_at_taps_and_those_that_got_lost_say_nothing():
    lost, _ = crossed(3, 50)
    assert compared(seen(TAP, ping(), 1, out=True), lost, *crossed(1, 50, back=True)) == []


def test_bytes_that_came_twice_are_no_measure():
    (out, _), (_, into) = crossed(1, 50), crossed(1, 9)
    doubled = [out, replace(out, time=out.time + 10**9), into]
    pair = crossed(2, 50, back=True)
    assert compared(*doubled, *pair) == []
    assert compared(*doubled, *crossed(3, 70), *pair) == [offset(-10, 60, 1, 1)]


def test_a_sum_that_a_network_card_has_finished_is_no_other_frame():
    out, into = crossed(1, 50, tcp=True)
    at = 14 + TUNNELS.inner + 14 + 20 + 16
    finished = replace(into, data=into.data[:at] + b"\xaa\xbb" + into.data[at + 2 :])
    assert compared(out, finished, *crossed(2, 50, back=True)) == [offset(0, 50, 1, 1)]


@pytest.mark.parametrize("size", [0, 12, 14, 23, 24, 36, 52])
def test_a_frame_that_is_cut_anywhere_is_compared_as_it_is(size: int):
    assert len(without_sum(ping(tcp=True)[:size])) in {size, size + 2}
    assert without_sum(b"\1" * size) == b"\1" * size


def test_what_is_remembered_is_bounded_and_measured_when_it_goes():
    clocks = ClockComparison(TUNNELS)
    for number in range(MOST + 10):
        for frame in crossed(number, 50 + number):
            clocks.take(frame)
    for frame in crossed(1, 50, back=True):
        clocks.take(frame)
    assert list(clocks.offsets()) == [offset(0, 50, 1, MOST + 10)]


def test_a_sentence_names_both_servers_and_the_bound():
    told = str(ClockOffset("server2", "server1", -12_345, 6_789, 20, 19))
    assert told == (
        "The clock of 'server2' is 12.3 µs behind that of 'server1', ± 6.8 µs "
        "(20 frames there, 19 back)."
    )
