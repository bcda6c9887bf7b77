"""What a switch loses or doubles is told from its ports' counters, and named as its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from farswitch.model.cluster import Cluster, cluster
from farswitch.model.switch import Switch, SwitchState, Traits
from farswitch.site.loader import ROOT, load_site
from tasks.checks.path.counters import Count, CountedTransfers, Reading, Transfer
from tasks.checks.path.frames import judge_frames

BRIDGED = cluster(load_site(str(ROOT / "inventory/lab")), 2)


class Plain(Switch):
    kind: ClassVar[str] = "plain"

    @property
    def traits(self) -> Traits:
        return Traits("plain port", "socket", places=False)

    def observe(self, host, owner) -> SwitchState:
        return SwitchState()

    def plan(self, have, ports, owner) -> Sequence[str]:
        return ()

    def apply(self, host, owner, changes) -> None: ...

    def describe(self, host, owner) -> Mapping[str, str]:
        return {}


def plain() -> Cluster:
    settings = BRIDGED.settings.model_copy(update={"switch": Plain()})
    return replace(BRIDGED, settings=settings)


def traffic(taken: int, given: int) -> CountedTransfers:
    """Return what node1 sent node2, as the ports of the switch counted the frames."""
    ports = {"fsx41": Count(frames_in=taken), "fsx42": Count(frames_out=given)}
    counted = Reading(ports, {})
    one, two = BRIDGED.guests
    return CountedTransfers([Transfer(one, two, 1, counted)], counted, {})


@pytest.mark.parametrize(
    ("taken", "given", "good", "said"),
    [
        (10_000, 10_000, True, "gave out 10,000"),
        (10_000, 10_030, True, "gave out 10,030"),
        (10_000, 9_900, False, "it lost 1.00%"),
        (10_000, 20_000, False, "it doubled 100.00%"),
        (10_000, 0, False, "it lost 100.00%"),
    ],
)
def test_what_is_lost_or_doubled_is_said(taken: int, given: int, good: bool, said: str):
    check = next(iter(judge_frames(plain(), plain().guests, traffic(taken, given), 1450)))
    assert (check.ok, check.host) == (good, "node1")
    assert said in check.measured


def test_a_guest_of_which_nothing_came_has_failed():
    checks = list(judge_frames(plain(), plain().guests, traffic(10, 10), 1450))
    assert [check.ok for check in checks] == [True, False]


def test_tunnels_are_not_compared():
    checks = list(judge_frames(BRIDGED, BRIDGED.guests, traffic(10, 0), 1450))
    assert {check.ok for check in checks} == {None}
