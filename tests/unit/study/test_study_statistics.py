"""Intervals hold the true value as often as they promise, and nothing is claimed without one."""

from __future__ import annotations

import sys

import pytest

from farswitch.errors import ConfigError
from farswitch.study.statistics import Interval, effect, host_is_quiet

numpy = pytest.importorskip("numpy")
SIMULATIONS = 400


def drawn(draw, ratio: float, blocks: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return skewed values with outliers, on a host that drifts by 10 % a block."""
    drift = numpy.cumprod(1 + draw.normal(0, 0.1, blocks))

    def values():
        outliers = numpy.where(draw.random(blocks) < 0.1, 1 + draw.exponential(1, blocks), 1)
        return draw.lognormal(0, 0.1, blocks) * outliers * drift

    return dict(enumerate(values())), dict(enumerate(ratio * values()))


@pytest.mark.parametrize(("blocks", "ratio"), [(6, 1.2), (10, 1.2), (10, 1.0)])
def test_the_intervals_cover_what_they_promise(blocks, ratio, record_property):
    draw = numpy.random.default_rng(20180928)
    found = [effect(*drawn(draw, ratio, blocks), seed=number) for number in range(SIMULATIONS)]
    held = sum(one.interval.holds(ratio) for one in found) / SIMULATIONS
    record_property("figure", f"{blocks} blocks, ratio {ratio}: coverage {held:.3f}")
    assert held >= 0.92
    if ratio == 1.0:  # nothing is planted: as seldom shown as the interval promises
        assert sum(one.shown for one in found) <= 0.08 * SIMULATIONS
        assert {one.verdict for one in found if not one.shown} == {"no difference shown"}


BASE = {block: 10.0 + block % 3 / 10 for block in range(1, 11)}


def test_a_clear_difference_is_shown_with_its_sign():
    slower = {block: 2 * value for block, value in BASE.items()}
    found = effect(BASE, slower)
    assert found.verdict == "slower"
    assert found.interval.holds(2.0)
    assert found.ratio == pytest.approx(2.0)
    assert found.difference.low == pytest.approx(10.1, abs=0.2)
    assert effect(slower, BASE).verdict == "faster"


def test_a_rate_is_slower_where_it_is_less():
    halved = {block: value / 2 for block, value in BASE.items()}
    found = effect(BASE, halved, better="more")
    assert found.verdict == "slower"
    assert found.ratio == pytest.approx(2.0)
    assert found.difference.high < 0


def test_fewer_than_six_blocks_have_no_interval():
    five = dict(list(BASE.items())[:5])
    found = effect(five, {block: 2 * value for block, value in five.items()})
    assert found.interval is None
    assert not found.shown
    assert found.smallest is None
    assert found.verdict == "no interval below 6 blocks"


@pytest.mark.parametrize("zeros", [1, 3])
def test_where_a_median_may_be_0_there_is_no_interval(zeros):
    base = dict(enumerate([0.0] * zeros + [0.01] * (7 - zeros)))
    found = effect(base, dict(base))
    assert found.interval is None
    assert not found.shown
    assert found.verdict == "no interval: values of 0"


def test_only_blocks_with_both_count():
    assert effect(BASE, {11: 1.0}) is None
    found = effect(BASE, {one: BASE[one] for one in (1, 2, 3, 4, 5, 6)} | {99: 1000.0})
    assert found.blocks == 6
    assert found.ratio == 1.0
    assert found.verdict == "no difference shown"


def test_values_without_any_spread_are_judged():
    same = dict.fromkeys(range(6), 3.0)
    assert effect(same, same).interval == Interval(1.0, 1.0)


def test_the_smallest_difference_is_as_wide_as_the_interval():
    draw = numpy.random.default_rng(1)
    found = effect(*drawn(draw, 1.0, 10))
    low, high = found.interval.low, found.interval.high
    assert found.smallest == max(found.ratio / low, high / found.ratio)


@pytest.mark.parametrize(
    ("low", "high", "quiet"),
    [
        (0.95, 1.05, True), (0.91, 1.1, True), (0.89, 1.02, False), (0.99, 1.2, False),
        (1.01, 1.05, False), (0.9, 0.99, False),
    ],
)  # fmt: skip
def test_the_control_judges_the_host(low, high, quiet):
    assert host_is_quiet(Interval(low, high)) is quiet


def test_without_scipy_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ConfigError, match="Intervals need scipy") as caught:
        effect(BASE, BASE)
    assert caught.value.hint == "Install it: pip install 'farswitch[study]'"


def test_the_same_seed_gives_the_same_interval():
    draw = numpy.random.default_rng(2)
    values = drawn(draw, 1.3, 8)
    assert effect(*values, seed=3) == effect(*values, seed=3)
