"""What stands where a program is the switch: its ports are plain, and it holds them or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.model.cluster import Cluster, cluster
from farswitch.model.settings import Settings
from farswitch.model.switch import SwitchState
from farswitch.status.guests import guest_statuses
from farswitch.status.observed import ServerLook
from farswitch.status.path import hops
from tests.unit.status.test_status import SENT, SITE, link, looks

PROGRAM = Settings(
    cluster="lab", vni_base=41, switch={"program": {"command": ["/opt/mine", "{ports}"]}}
)
WANTED: Cluster = cluster(replace(SITE, settings=PROGRAM))
HELD = SwitchState(frozenset({"fsx41", "fsx42", "fsx43"}))


def with_switch(state: SwitchState, **changed: object) -> dict[str, ServerLook]:
    """Return the looks; of the first guest's far end, what is changed."""
    found = looks()
    ports = [
        link(name, master)
        for guest in WANTED.guests
        for name, master in WANTED.port_links(guest).items()
    ]
    ports[2] = replace(ports[2], **changed)
    return found | {"server2": replace(found["server2"], links=tuple(ports), switch=state)}


def test_a_port_that_the_program_holds_is_up():
    states = guest_statuses(WANTED, with_switch(HELD))
    assert [(state.port, state.traffic) for state in states] == [("up", SENT)] * 3


@pytest.mark.parametrize(
    ("state", "changed", "word"),
    [
        (SwitchState(HELD.held - {"fsx41"}), {}, "not held by program"),
        (HELD, {"up": False}, "down"),
        (HELD, {"name": "other"}, "missing"),
    ],
)
def test_one_that_carries_nothing_is_named(state: SwitchState, changed: dict, word: str):
    first, *others = guest_statuses(WANTED, with_switch(state, **changed))
    assert (first.port, first.ok) == (word, False)
    assert all(other.ok for other in others)


def test_the_way_of_a_guest_goes_over_its_plain_port_to_the_program():
    way = list(hops(WANTED, WANTED.guests[0], with_switch(HELD)))
    assert [(hop.what, hop.name, hop.state) for hop in way[5:]] == [
        ("port", "fsv41", "up"),
        ("port bridge", "fsn41", "missing"),
        ("near end", "fsp41", "up"),
        ("far end", "fsx41", "up"),
        ("switch", "program", "up"),
    ]
    assert [hop.traffic for hop in way[5:]] == [SENT, None, SENT.turned(), SENT, None]


def test_a_program_that_ended_is_down():
    looked = with_switch(SwitchState(fault="It ended."))
    assert list(hops(WANTED, WANTED.guests[0], looked))[-1].state == "down"
