"""What `status` says of a cluster is what its servers say by their own programs."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack

import pytest

from farswitch.deadline import Deadline
from tests.lab.clusters import ClusterUnderTest
from tests.schemas import assert_fits

pytestmark = [pytest.mark.lab, pytest.mark.root]

PORT = "fsv5002"
"""The second guest's, on the switch."""
ENDS = {("server1", "tap"), ("server2", "port")}
"""Of the way of a guest's frames: what each of them receives comes from the guest."""


def links(cluster: ClusterUnderTest, server: str) -> dict[str, dict[str, int]]:
    """Return MTU and bytes of each interface, as `ip` prints them."""
    printed = json.loads(cluster.on(server, ["ip", "-j", "-s", "link"]))
    return {
        one["ifname"]: {"mtu": one["mtu"], "received": one["stats64"]["rx"]["bytes"],
                        "sent": one["stats64"]["tx"]["bytes"]}
        for one in printed
    }  # fmt: skip


def ages(cluster: ClusterUnderTest) -> dict[str, int]:
    """Return for how many seconds each domain's process runs."""
    line = 'for f in /run/libvirt/qemu/*.pid; do echo "$f $(ps -o etimes= -p "$(cat "$f")")"; done'
    told = (row.split() for row in cluster.on("server1", ["sh", "-c", line]).splitlines())
    return {path.rpartition("/")[2].removesuffix(".pid"): int(seconds) for path, seconds in told}


def test_every_figure_is_the_servers_own(built: ClusterUnderTest) -> None:
    counted, aged = links(built, "server2"), ages(built)
    told = built.good("status").document
    later, older = links(built, "server2"), ages(built)
    virsh = built.on("server1", ["virsh", "list", "--state-running", "--name"]).split()
    assert [guest["name"] for guest in told["guests"]] == ["node1", "node2", "node3"]
    for number, guest in enumerate(told["guests"], start=1):
        domain, port = f"fst-node{number}", f"fsv{5000 + number}"
        assert (guest["state"], guest["port"], guest["ok"]) == ("running", "up", True)
        assert domain in virsh
        assert aged[domain] <= guest["uptime"] <= older[domain]
        assert guest["processor"] > 0
        assert guest["memory"] > 0
        assert guest["mtu"] == counted[port]["mtu"]
        assert guest["data_address"] == built.guest(number).address
        for way in ("received", "sent"):
            assert counted[port][way] <= guest["traffic"][way] <= later[port][way]
    assert told["servers"] == [{"name": name, "drift": []} for name in ("server1", "server2")]
    assert told["changed"] == 0


def test_a_port_that_is_down_is_told_with_what_a_build_would_do(built: ClusterUnderTest) -> None:
    built.on("server2", ["ip", "link", "set", PORT, "down"])
    try:
        told = built.good("status").document
        way = built.good("status", "node2").document
    finally:
        built.on("server2", ["ip", "link", "set", PORT, "up"])
    assert [guest["port"] for guest in told["guests"]] == ["up", "down", "up"]
    drift = {server["name"]: server["drift"] for server in told["servers"]}
    assert drift["server1"] == []
    assert drift["server2"]
    assert all(PORT in line for line in drift["server2"])
    states = {(hop["server"], hop["what"]): hop["state"] for hop in way["hops"]}
    assert [hop for hop, state in states.items() if state != "up"] == [("server2", "port")]
    assert [server["drift"] for server in built.good("status").document["servers"]] == [[], []]


def test_watching_tells_what_crosses_the_switch_until_it_is_ended(built: ClusterUnderTest) -> None:
    words = ("--json", "node1", "--watch", "--interval", "0.5")
    with (
        built.start("status", *words, stdout=subprocess.PIPE, stderr=None, text=True) as watch,
        ExitStack() as at_the_end,
    ):
        at_the_end.callback(watch.kill)
        assert watch.stdout is not None
        assert_fits("status-watch", json.loads(watch.stdout.readline()))
        crossed: set[tuple[str, str]] = set()
        deadline = Deadline(120)
        while not crossed >= ENDS and not deadline.passed():
            assert built.guest(1).pings(built.guest(2).address)
            seen = json.loads(watch.stdout.readline())
            assert_fits("status-watch", seen)
            for hop in seen["hops"]:
                if hop.get("rates", {}).get("received_packets", 0) > 0:
                    crossed.add((hop["server"], hop["what"]))
        assert crossed >= ENDS
        watch.terminate()  # as Ctrl-C, which a run in the background does not get
        assert watch.wait(30) == 130


def test_a_guest_that_there_is_not_is_refused(built: ClusterUnderTest) -> None:
    run = built.run("status", "node9")
    assert run.status == 2
    assert "has no guest 'node9'" in run.document["failures"][0]["error"]
