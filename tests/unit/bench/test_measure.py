"""What rounds of a benchmark conclude: ratios, the interval of their median, and the goal."""

from __future__ import annotations

from random import Random

import pytest

from bench import measure
from bench.measure import Measure, in_turns, interval


@pytest.mark.parametrize(
    ("ours", "peer", "wanted"),
    [
        pytest.param((15.0,), (10.0,), 1.5, id="one"),
        pytest.param((15.0, 60.0, 20.0), (10.0, 20.0, 10.0), 2.0, id="of-ratios-not-of-times"),
        pytest.param((10.0, 20.0), (10.0, 10.0), 1.5, id="even-number"),
        pytest.param((3.0, 9.0, 4.0), (), 4.0, id="without-a-peer"),
    ],
)
def test_the_value_is_the_median_of_the_rounds(ours, peer, wanted):
    assert Measure("m", ours, peer=peer).value == wanted


def test_less_of_a_ratio_is_better_also_where_more_of_the_figure_is():
    assert Measure("m", (8.0,), "Gbit/s", peer=(10.0,), more_is_better=True).value == 1.25


def test_rounds_that_a_peer_lacks_are_an_error():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        _ = Measure("m", (1.0, 2.0), peer=(1.0,)).value


@pytest.mark.parametrize(
    ("goal", "by_interval", "reached"),
    [(None, False, None), (1.0, False, True), (0.99, False, False),
     (1.5, True, False), (2.0, True, True)],
)  # fmt: skip
def test_a_goal_is_held_against_the_median_or_the_intervals_end(goal, by_interval, reached):
    rounds = (1.0, 1.0, 1.0, 2.0, 2.0)
    one = Measure("m", rounds, peer=(1.0,) * 5, goal=goal, by_interval=by_interval)
    assert one.interval == (1.0, 2.0)
    assert one.reached is reached


def test_the_interval_is_the_same_each_time_and_holds_the_median():
    draw = Random(1)
    values = [draw.gauss(1.1, 0.05) for _ in range(31)]
    low, high = interval(values)
    assert (low, high) == interval(values)
    assert low < sorted(values)[15] < high


def test_the_interval_covers_the_true_median_about_as_often_as_it_says(monkeypatch):
    """Of 200 samples of 30, 95 % are 190; 200 draws of probability 0.95 give 180 to 198."""
    monkeypatch.setattr(measure, "RESAMPLES", 200)
    draw = Random(2)
    samples = ([draw.expovariate(1) for _ in range(30)] for _ in range(200))
    covered = sum(low <= 0.693 <= high for low, high in map(interval, samples))
    assert 180 <= covered <= 199


def test_more_rounds_narrow_the_interval():
    draw = Random(3)
    values = [draw.gauss(1, 0.1) for _ in range(300)]
    few, many = interval(values[:10]), interval(values)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_one_round_is_its_own_interval():
    assert interval([1.5]) == (1.5, 1.5)


@pytest.mark.parametrize(("rotate", "wanted"), [(False, "abcabc"), (True, "abcbca")])
def test_sides_take_turns(rotate, wanted):
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    lines: list[str] = []
    took = in_turns(2, {name: lambda name=name: side(name) for name in "abc"}, lines.append,
                    rotate=rotate)  # fmt: skip
    assert "".join(order) == wanted
    assert {name: len(values) for name, values in took.items()} == dict.fromkeys("abc", 2)
    assert lines[0] == "round 1 of 2: a 1.00, b 2.00, c 3.00"
