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
from tasks.checks.path.frames import lines, measures, switched_frames

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
    ("taken", "given", "said"),
    [
        (10_000, 10_000, None),
        (10_000, 10_030, None),
        (10_000, 9_900, "lost 1.00% of node1's frames: 10,000 in, 9,900 out."),
        (10_000, 20_000, "doubled 100.00% of node1's frames: 10,000 in, 20,000 out."),
        (10_000, 0, "lost 100.00% of node1's frames: 10,000 in, 0 out."),
    ],
)
def test_what_is_lost_or_doubled_is_said(taken: int, given: int, said: str | None):
    rows = switched_frames(plain(), plain().guests, traffic(taken, given))
    assert lines("mine", rows) == ([f"The switch 'mine' {said}"] if said else [])
    assert measures(rows)[0] == {
        "from": "node1", "frames_in": taken, "frames_out": given, "lost": taken - given,
    }  # fmt: skip


def test_tunnels_are_not_compared():
    assert switched_frames(BRIDGED, BRIDGED.guests, traffic(10, 0)) == []
