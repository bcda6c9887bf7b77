"""Frames between real guests are counted at every hop, and a port that loses them is named."""

from __future__ import annotations

import pytest

from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]

PORT = "fsv5003"
"""The third guest's, on the switch."""
PROGRAMS = "Count the frames that pass"
"""What the counting programs' command lines have."""


def test_all_arrive_and_a_port_that_is_down_is_named(built: ClusterUnderTest) -> None:
    told = built.good("trace", "node1", "node3", "--tcp", "--size", "1000").document
    assert [hop["count"] for hop in told["hops"]] == [20] * 15
    assert {hop["host"] for hop in told["hops"]} == {"node1", "server1", "server2", "node3"}
    built.on("server2", ["ip", "link", "set", PORT, "down"])
    try:
        run = built.run("trace", "node1", "node3")
    finally:
        built.on("server2", ["ip", "link", "set", PORT, "up"])
    assert run.status == 1
    assert [hop["count"] for hop in run.document["hops"]] == [20] * 7 + [0] * 8
    (check,) = run.document["checks"]
    assert (check["host"], check["ok"]) == ("server2", False)
    assert f"0 of 20 left port '{PORT}' of 'server2'" in check["measured"]
    assert "it is down" in check["cause"]
    assert "workflows.build" in check["fix"]
    for server in ("server1", "server2"):
        assert PROGRAMS not in built.on(server, ["ps", "-eo", "args"])
