"""Which guests lack one of their taps."""

from __future__ import annotations

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.links.ports import unplugged
from farswitch.model.links import BridgePort

WANT = [
    BridgePort("fsv41", "fsb41", "node1"),
    BridgePort("fsd41", "fsb41", "node1", tap=True),
    BridgePort("fsm41", "fsg41", "node1", tap=True, isolated=True),
    BridgePort("fsd42", "fsb42", "node2", tap=True),
]


@pytest.mark.parametrize(
    ("there", "guests"),
    [
        pytest.param(["fsv41", "fsd41", "fsm41", "fsd42"], set(), id="all-are-there"),
        pytest.param(["fsv41", "fsd41", "fsd42"], {"node1"}, id="without-its-management"),
        pytest.param(["fsd41", "fsm41", "fsd42"], set(), id="a-tunnel-is-no-tap"),
        pytest.param([], {"node1", "node2"}, id="all-are-off"),
    ],
)
def test_a_guest_without_one_of_its_taps_is_named(there: list[str], guests: set[str]):
    links = [Link(index, name) for index, name in enumerate(there)]
    assert unplugged(links, WANT) == guests
