"""The picture of a cluster that stands: its colours follow what is set down by hand."""

from __future__ import annotations

import re

import pytest

from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]

PORT = "fsv5002"
"""The second guest's, on the switch."""
COLOURS = {"up": "#1a7f37", "bad": "#cf222e"}


def boxes(cluster: ClusterUnderTest) -> list[tuple[str, str]]:
    """Return what each box of the picture in DOT is called, and its colour."""
    drawn = cluster.good("graph", "--format", "dot").document["picture"]
    found = re.findall(
        r'^ +(?:sb|h\w+) \[label="([^"\\]*)[^"]*".*?color="(#\w+)"', drawn, re.MULTILINE
    )
    assert len(found) == 1 + 3 * 4 + 1, drawn
    return found


def test_colours_follow_a_port_that_is_set_down_and_up_again(built: ClusterUnderTest) -> None:
    assert {colour for _, colour in boxes(built)} == {COLOURS["up"]}
    built.on("server2", ["ip", "link", "set", PORT, "down"])
    try:
        wrong = [name for name, colour in boxes(built) if colour != COLOURS["up"]]
        svg = built.good("graph").document["picture"]
    finally:
        built.on("server2", ["ip", "link", "set", PORT, "up"])
    assert wrong == [f"{PORT}: down"]
    assert len(re.findall(r'<rect class="box bad"', svg)) == 1
    assert {colour for _, colour in boxes(built)} == {COLOURS["up"]}
