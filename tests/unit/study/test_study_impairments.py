"""What a cell does to ports, as one text."""

from __future__ import annotations

import pytest

from farswitch.study.impairments import ports_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", {}),
        ("node2 to_guest delay 2ms", {"node2": "to_guest: delay 2ms"}),
        (
            "node[1-2] from_guest rate 100Mbit; node2 to_guest delay 2 ms loss 0.1 %",
            {
                "node1": "from_guest: rate 100Mbit",
                "node2": "to_guest: delay 2ms loss 0.1%, from_guest: rate 100Mbit",
            },
        ),
        ("node3 link down", {"node3": "link: down"}),
    ],
)
def test_a_text_names_ports_and_what_is_done_to_them(text, wanted):
    assert {guest: str(port) for guest, port in ports_of(text).items()} == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "nothing", "node2", "node2 to_guest", "node2 sideways delay 2ms", "node2 to_guest 2ms",
        "node2 to_guest delay 2", "node2 link up", "NODE to_guest delay 2ms",
        "node2 to_guest delay 2ms; node[1-2] to_guest loss 1%",
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - a pydantic error is one, and has the sentence
        ports_of(text)
