"""A controller that is killed: what `make test` has time for. `make soak` runs all of it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.soak import crashes
from tests.soak.ground import Ground
from tests.soak.moments import Border

pytestmark = pytest.mark.root
Told = Callable[[str], None]


@pytest.mark.parametrize("step", ["firewall_reset", "vm_boot"])
def test_a_build_killed_at_a_border_is_finished_by_the_next(ground: Ground, told: Told, step: str):
    assert crashes.of_build(ground, told, Border(step), turn=0)


def test_a_teardown_killed_at_a_border_is_finished_without_the_site(ground: Ground, told: Told):
    assert crashes.of_teardown(ground, told, Border("links"), turn=1, built=False)


def test_a_build_killed_at_a_random_moment_leaves_nothing_after_teardown(
    ground: Ground, told: Told, draw: Random
):
    crashes.of_build_at_random(ground, told, draw, turn=1, built=False)


def test_a_teardown_killed_at_a_random_moment_is_finished_by_the_next(
    ground: Ground, told: Told, draw: Random
):
    crashes.of_teardown_at_random(ground, told, draw, turn=0)
