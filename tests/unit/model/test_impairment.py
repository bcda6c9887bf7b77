"""What a port does to frames is one grammar in a site, a command and a timeline."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from farswitch.model.impairment import Impairment, PortImpairment, impairment, parse_impairments
from farswitch.model.timeline import ImpairmentEvent, steps_of

MS = 1000


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("delay 2ms", {"delay": 2 * MS}),
        ("delay 2 ms jitter 500us", {"delay": 2 * MS, "jitter": 500}),
        ("delay 0.25ms", {"delay": 250}),
        ("loss 0.1%", {"loss": 1000}),
        ("loss 0.1 % rate 1 Gbit", {"loss": 1000, "rate": 10**9}),
        ("rate 1.5mbit", {"rate": 1_500_000}),
        ({"delay": "2 ms", "loss": "1 %"}, {"delay": 2 * MS, "loss": 10_000}),
        ({"delay": "1s", "reorder": "100%"}, {"delay": 1000 * MS, "reorder": 1_000_000}),
    ],
)
def test_words_and_mappings_say_the_same_and_are_written_back(written, values):
    read = impairment(written)
    assert {key: getattr(read, key) for key in values} == values
    assert read.model_fields_set == set(values)
    assert impairment(str(read)) == read
    assert impairment(read.written()) == read


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("delay", ("delay",)),
        ("delay 2", ("delay",)),
        ({"delay": 2}, ("delay",)),
        ({"delay": 0}, ("delay",)),
        ("delay 2m", ("delay",)),
        ("delay 0.1us", ("delay",)),
        ("delay 61s", ("delay",)),
        ("delay -1ms", ("delay",)),
        ("loss 101%", ("loss",)),
        ("loss 1", ("loss",)),
        ("loss 0.00001%", ("loss",)),
        ("rate 7kbit", ("rate",)),
        ("rate 31Gbit", ("rate",)),
        ("rate 100Mb", ("rate",)),
        ("dleay 2ms", ("dleay",)),
        ("2ms", ("2ms",)),
        ("jitter 1ms", ()),
        ("delay 1ms jitter 2ms", ()),
        ("reorder 1%", ()),
        ("", None),
        ("loss 0%", None),
        ("delay 1ms delay 2ms", None),
        (5, ()),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(written, place):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (pydantic's own has the place)
        impairment(written)
    if place is None:
        assert not isinstance(caught.value, ValidationError)
    else:
        assert caught.value.errors()[0]["loc"] == place


def test_a_port_says_what_is_done_to_it():
    ((name, port),) = parse_impairments(
        {"node[2-3]": {"to_guest": {"loss": "1 %"}, "from_guest": "rate 1Gbit", "link": "down"}}
    )
    assert name == "node[2-3]"
    assert str(port) == "to_guest: loss 1%, from_guest: rate 1Gbit, link: down"
    assert port.written() == {
        "to_guest": {"loss": "1%"},
        "from_guest": {"rate": "1Gbit"},
        "link": "down",
    }
    assert parse_impairments({name: port.written()}) == ((name, port),)


@pytest.mark.parametrize("value", [{"node1": {}}, {"node1": {"link": "up"}}, {"node1": 3}, []])
def test_a_port_with_nothing_or_something_else_is_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011
        parse_impairments(value)


LOSS, SLOW = impairment("loss 1%"), impairment("rate 10Mbit")
BASE = PortImpairment(to_guest=SLOW)
DOWN = PortImpairment(link="down")
SECOND = 1000 * MS


def event(**fields):
    return ImpairmentEvent.model_validate(fields)


def steps(*events, base=(), length=None):
    found = steps_of([((e.port,), e) for e in events], dict(base), length)
    return [(step.at // SECOND, step.guest, str(step.after)) for step in found]


def test_a_timeline_changes_ports_and_ends_as_it_began():
    assert steps(
        event(at="10 s", port="a", to_guest={"loss": "1 %"}, **{"for": "5 s"}),
        event(at="12 s", port="a", link="down", **{"for": "2 s"}),
        event(at="1s", port="b", from_guest="rate 10Mbit", **{"for": "2s"}),
        base={"a": BASE},
    ) == [
        (1, "b", "from_guest: rate 10Mbit"),
        (3, "b", "nothing"),
        (10, "a", "to_guest: loss 1%"),
        (12, "a", "to_guest: loss 1%, link: down"),
        (14, "a", "to_guest: loss 1%"),
        (15, "a", "to_guest: rate 10Mbit"),
    ]


def test_an_event_without_a_length_lasts_till_the_end():
    until = [event(at="1s", port="a", link="down")]
    assert steps(*until, length=4 * SECOND) == [(1, "a", "link: down"), (4, "a", "nothing")]
    with pytest.raises(ValueError, match="at 1s has no length"):
        steps(*until)


def test_one_direction_has_one_event_at_a_time():
    first = event(at="1s", port="a", to_guest="loss 1%", **{"for": "2s"})
    second = event(at="2s", port="a", to_guest="loss 2%", **{"for": "2s"})
    with pytest.raises(ValueError, match="at 1s and 2s are both about 'to_guest' of 'a'"):
        steps(first, second)
    assert len(steps(first, event(at="3s", port="a", to_guest="loss 2%", **{"for": "2s"}))) == 3


def test_what_chooses_single_frames_and_what_only_netem_does_is_known():
    assert impairment("loss 1%").per_frame
    assert not impairment("delay 1ms rate 1Gbit").per_frame
    both = impairment("delay 1ms duplicate 1% reorder 2%")
    assert both.needs_netem == ("duplicate", "reorder")
    assert not Impairment()
