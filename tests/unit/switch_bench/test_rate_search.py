"""The search for the highest rate without loss, on switches of which that rate is known."""

import pytest

from farswitch.switch_bench.rate_search import RESOLUTION, TRIALS, LoadTrial, search

FULL = 100_000.0
"""Frames a second that the generator sends at most."""


def behind(rate: float):
    """A switch that forwards so many frames a second, and drops the rest."""

    def trial(wanted: float) -> LoadTrial:
        sent = min(wanted or FULL, FULL)
        return LoadTrial(sent, max(0.0, 1 - rate / sent))

    return trial


@pytest.mark.parametrize("rate", [3_000.0, 20_000.0, 55_555.0, 99_000.0])
def test_its_bounds_hold_the_switchs_own_rate(rate):
    found = search(behind(rate))
    assert found.rate <= rate <= found.below
    assert found.trials <= TRIALS
    assert found.below - found.rate <= RESOLUTION * found.below or found.trials == TRIALS
    assert found.rate >= 0.9 * rate
    assert found.forwarded == pytest.approx(rate)
    assert not found.limited_by_generator


def test_a_switch_that_loses_nothing_at_full_speed_is_limited_by_the_generator():
    found = search(behind(2 * FULL))
    assert (found.rate, found.below, found.trials) == (FULL, None, 1)
    assert found.limited_by_generator


def test_a_switch_that_always_loses_some_has_no_throughput():
    found = search(lambda wanted: LoadTrial(wanted or FULL, 0.05))
    assert found.rate == 0
    assert 0 < found.below < FULL
    assert found.trials == TRIALS


def test_a_small_loss_is_tried_again_before_it_counts():
    losses = iter([0.002, 0.0])
    found = search(lambda _: LoadTrial(FULL, next(losses)))
    assert (found.rate, found.below, found.trials) == (FULL, None, 2)


def test_frames_that_the_generator_had_no_room_for_are_said():
    assert search(lambda _: LoadTrial(FULL, 0.0, own=True)).own


def test_a_switch_that_passes_nothing_is_not_searched_for_ever():
    found = search(lambda wanted: LoadTrial(wanted or FULL, 1.0))
    assert (found.rate, found.forwarded) == (0, 0)
    assert found.trials == 1
