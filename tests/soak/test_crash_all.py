"""A controller that is killed at every border and at many random moments: `make soak`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.soak import crashes, steps
from tests.soak.ground import Ground
from tests.soak.moments import END, Border

pytestmark = [pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
RANDOM = 25
"""Kills of each of build and teardown at random moments, each followed by a build."""
ENDED = 5
"""More of them, each followed by a teardown at once."""
NEXT = pytest.mark.parametrize("built", [True, False], ids=["then-built", "then-torn-down"])


def numbered(names: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return each name with its number, which says how it goes on after the kill."""
    return list(enumerate((*names, END)))


def test_the_borders_are_all_there_are(ground: Ground):
    for workflow, wanted in (("build", steps.BUILD), ("teardown", steps.TEARDOWN)):
        running = ground.start(workflow)
        run = ground.end(running)
        assert run.status == 0, run.said
        assert running.steps() == [*wanted, END]


@NEXT
@pytest.mark.parametrize(("turn", "step"), numbered(steps.BUILD))
def test_build_killed_at_a_border(ground: Ground, told: Told, turn: int, step: str, built: bool):
    assert crashes.of_build(ground, told, Border(step), turn=turn, built=built)


@NEXT
@pytest.mark.parametrize(("turn", "step"), numbered(steps.TEARDOWN))
def test_teardown_killed_at_a_border(ground: Ground, told: Told, turn: int, step: str, built: bool):
    assert crashes.of_teardown(ground, told, Border(step), turn=turn, built=built)


@pytest.mark.parametrize("turn", range(RANDOM))
def test_build_killed_at_random(ground: Ground, told: Told, draw: Random, turn: int):
    crashes.of_build_at_random(ground, told, draw, turn=turn)


@pytest.mark.parametrize("turn", range(RANDOM))
def test_teardown_killed_at_random(ground: Ground, told: Told, draw: Random, turn: int):
    crashes.of_teardown_at_random(ground, told, draw, turn=turn)


@pytest.mark.parametrize("turn", range(ENDED))
def test_both_killed_at_random_and_torn_down_at_once(
    ground: Ground, told: Told, draw: Random, turn: int
):
    crashes.of_build_at_random(ground, told, draw, turn=turn, built=False)
    crashes.of_teardown_at_random(ground, told, draw, turn=turn, built=False)


@pytest.mark.parametrize(("turn", "step"), numbered(steps.BUILD))
@pytest.mark.parametrize("nodes", [1, 3], ids=["shrinks", "grows"])
def test_resize_killed_at_a_border(ground: Ground, told: Told, nodes: int, turn: int, step: str):
    built = ground.run("build")
    assert built.status == 0, built.said
    assert ground.crash(Border(step), "build", "--nodes", str(nodes))
    again = ("--nodes", str(nodes)) if turn % 2 else ()
    ground.converges(*again, talks=nodes > 1)
    ground.goes(without_site=turn % 3 == 1)
    told(f"build from 2 to {nodes} killed at the start of {step}, then built and torn down")
