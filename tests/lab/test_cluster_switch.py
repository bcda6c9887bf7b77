"""A program as the switch of real guests: built, proved, killed, named, started anew, replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.clusters import ROOT, ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]

PROGRAM = {
    "program": {
        "file": str(ROOT / "examples/switch.py"),
        "command": ["{file}", "{ports}"],
        "ready": "ready",
    }
}


def links(cluster: ClusterUnderTest) -> set[str]:
    """Return the letters of our interfaces on the switch server: fsv is `v`."""
    shown = json.loads(cluster.on("server2", ["ip", "-j", "link"]))
    return {link["ifname"][2] for link in shown if link["ifname"].endswith("5001")}


def test_mpi_runs_through_a_program_and_its_end_is_named_and_mended(cluster: ClusterUnderTest):
    boots = cluster.boots()
    cluster.write_site(f"switch: {json.dumps(PROGRAM)}")
    built = cluster.good("build")
    lines = [one for one in built.document["plan"] if one["stage"] == "switch"]
    assert [(one["action"], one["what"]) for one in lines] == [
        ("add", "program switch.py (3 ports)")
    ]
    assert links(cluster) == set("vnpx")
    proved = cluster.good("verify", "--only", "server,tunnel,path")
    crossed, wanted = proved.crossed()
    assert crossed == wanted > 0
    frames = proved.document["path"]
    assert [one["from"] for one in frames] == ["node1", "node2", "node3"]
    assert all(one["frames_in"] > 1000 and one["frames_out"] > 0 for one in frames)

    folder = Path("/run/farswitch-switch") / cluster.name
    pids = cluster.on("server2", ["sh", "-c", f"cat {folder}/*/state.json"])
    cluster.on("server2", ["kill", "-9", str(json.loads(pids)["program"]["pid"])])
    run = cluster.run("verify", "--only", "server")
    (check,) = run.failed_checks()[:1]
    assert (check["name"], check["host"]) == ("server.switch", "server2")
    assert "was killed by signal 9" in check["measured"]
    held = [guest["port"] for guest in cluster.run("status").document["guests"]]
    assert held == ["not held by program"] * 3
    cluster.follow(check["fix"])
    assert cluster.good("verify", "--only", "server").failed_checks() == []

    cluster.write_site()
    cluster.good("build")
    assert links(cluster) == set("sv")
    assert cluster.on("server2", ["sh", "-c", f"ls {folder} 2>/dev/null || :"]) == ""
    assert cluster.boots() == boots, "no guest was started anew for it"
