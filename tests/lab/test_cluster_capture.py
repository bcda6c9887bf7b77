"""Frames between real guests are captured on both servers: into a file, live, and cut off."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess

import pytest

from tests.lab.captures import nothing_left, ping, rows, started
from tests.lab.clusters import ClusterUnderTest
from tests.schemas import assert_fits

pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark"),
]
HOPS = [
    "server1 fsd5001 (node1)", "server1 fsv5001 (node1)", "server1 {} (underlay)",
    "server2 {} (underlay)", "server2 fsv5001 (node1)", "server2 fsv5003 (node3)",
    "server2 {} (underlay)", "server1 {} (underlay)", "server1 fsv5003 (node3)",
    "server1 fsd5003 (node3)",
]  # fmt: skip


def test_a_ping_is_seen_at_every_interface_of_its_way(built: ClusterUnderTest, tmp_path) -> None:
    file = tmp_path / "ping.pcapng"
    options = ("--filter", "icmp", "--packets", "40", "--write", str(file), "--json")
    with started(built, *options) as process:
        ping(built)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    document = json.loads(said)
    assert_fits("capture", document)
    found = document["capture"]
    assert (found["frames"], found["ending"], found["lost"]) == (
        40, "frames", {"server1": 0, "server2": 0},
    )  # fmt: skip
    devices = {one["host"]: one["name"] for one in found["interfaces"] if one["what"] == "underlay"}
    expected = [hop.format(devices[hop.split()[0]]) for hop in HOPS]
    packets = rows(file, "frame.interface_name", "icmp.type", "icmp.seq", "frame.time_epoch")
    for sequence in ("1", "2"):
        for kind, way in (("8", expected), ("0", expected[::-1])):
            one = [packet for packet in packets if packet[1:3] == [kind, sequence]]
            assert [packet[0] for packet in one] == way
            assert [packet[3] for packet in one] == sorted(packet[3] for packet in one)
    (clock,) = found["clocks"]
    assert abs(clock["offset_ns"]) <= clock["bound_ns"]
    nothing_left(built)


def test_it_can_be_read_live_and_ends_with_its_reader(built: ClusterUnderTest) -> None:
    with started(built, "--filter", "icmp", "--write", "-") as process:
        assert process.stdout
        reader = subprocess.Popen(
            ["tshark", "-n", "-l", "-c", "20", "-r", "-", "-T", "fields", "-e",
             "frame.interface_name"],
            stdin=process.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        process.stdout.close()
        ping(built)
        printed, _ = reader.communicate(timeout=60)
        assert len(printed.splitlines()) == 20
        ping(built)
        assert process.wait(60) == 0
    nothing_left(built)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_one_leaves_a_whole_file(
    built: ClusterUnderTest, tmp_path, number: signal.Signals
) -> None:
    file = tmp_path / "cut.pcapng"
    with started(built, "--write", str(file), "--json") as process:
        ping(built)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(said)["capture"]
    assert found["ending"] == "interrupted"
    assert len(rows(file, "frame.number")) == found["frames"] >= 40
    assert list(tmp_path.iterdir()) == [file]
    nothing_left(built)


def test_a_killed_one_leaves_nothing_on_the_servers(built: ClusterUnderTest, tmp_path) -> None:
    with started(built, "--write", str(tmp_path / "a"), "--json") as process:
        process.kill()
    nothing_left(built)


def test_a_bad_filter_ends_with_2_and_no_file(built: ClusterUnderTest, tmp_path) -> None:
    run = built.run("capture", "node1", "--filter", "icmpx", "--write", str(tmp_path / "a"))
    assert run.status == 2
    assert "'icmpx' is no filter: can't parse filter expression: syntax error" in run.errors
    assert list(tmp_path.iterdir()) == []
