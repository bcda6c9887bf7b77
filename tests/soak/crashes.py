"""What is done around a crash: before it, after it, and how all of it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.soak.ground import Ground
from tests.soak.moments import After, Moment

Told = Callable[[str], None]
TRIES = 20
"""A run on an idle moment of the machine may end before the moment that was drawn."""


def of_build(ground: Ground, told: Told, moment: Moment, *, turn: int, built: bool = True) -> bool:
    """Kill a build from nothing; return False when it ended before the moment.

    Args:
        ground: The servers, on which nothing is.
        told: Where the crash is noted.
        moment: Of the kill.
        turn: Of four two go on from another controller, of three one is torn down without the site.
        built: Whether a build comes before the teardown.
    """
    killed = ground.crash(moment, "build")
    recover(ground, turn, built=built)
    if killed:
        told(f"build killed {moment}, {_way(turn, built=built)}")
    return killed


def of_teardown(
    ground: Ground, told: Told, moment: Moment, *, turn: int, built: bool = True
) -> bool:
    """Kill a teardown of a cluster that stands; return False when it ended before the moment."""
    run = ground.run("build")
    assert run.status == 0, run.said
    killed = ground.crash(moment, "teardown")
    recover(ground, turn, built=built)
    if killed:
        told(f"teardown killed {moment}, {_way(turn, built=built)}")
    return killed


def of_build_at_random(
    ground: Ground, told: Told, draw: Random, *, turn: int, built: bool = True
) -> None:
    """Kill a build at a moment of which each is as likely as any other."""
    span = ground.span("build")
    assert any(
        of_build(ground, told, After(draw.random() * span), turn=turn, built=built)
        for _ in range(TRIES)
    )


def of_teardown_at_random(
    ground: Ground, told: Told, draw: Random, *, turn: int, built: bool = True
) -> None:
    """Kill a teardown at a moment of which each is as likely as any other."""
    span = ground.span("teardown")
    assert any(
        of_teardown(ground, told, After(draw.random() * span), turn=turn, built=built)
        for _ in range(TRIES)
    )


def recover(ground: Ground, turn: int, *, built: bool) -> None:
    """Do what a user does next, and hold the servers to being right after it."""
    if turn % 4 >= 2:
        ground.another_controller()
    if built:
        ground.converges()
    ground.goes(without_site=turn % 3 == 1)


def _way(turn: int, *, built: bool) -> str:
    then = "then built and torn down" if built else "then torn down"
    where = " from another controller" if turn % 4 >= 2 else ""
    return f"{then}{where}{', without the site' if turn % 3 == 1 else ''}"
