"""A capture that goes on: the order of its frames, its bounds, and where it goes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from itertools import pairwise
from pathlib import Path

import pytest

from farswitch.capture.clocks import ClockComparison
from farswitch.capture.frame_capture import CaptureLimits, FrameCapture
from farswitch.capture.pcapng import COUNT, ROOM, PcapngWriter
from farswitch.capture.target import CaptureTarget
from farswitch.deadline import Deadline
from farswitch.errors import ConfigError
from farswitch.run.print_capture import document, sentences
from tests.unit.capture.sightings import FAR, NEAR, POINTS, PORT, TAP, TUNNELS, ping, seen, wrapped
from tests.unit.capture.test_pcapng import blocks

LIMITS = CaptureLimits(60, 1000)


@contextmanager
def capturing(path: Path, limits: CaptureLimits = LIMITS) -> Iterator[FrameCapture]:
    with FileIO(path, "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1")
        with FrameCapture(writer, ClockComparison(TUNNELS), limits, POINTS) as capture:
            capture.begin("server1")
            capture.begin("far")
            yield capture
        capture.conclude("the end", rewrite=stream.seekable())


def times(path: Path) -> list[int]:
    return [int.from_bytes(body[8:12], "little") for kind, body in blocks(path.read_bytes())
            if kind == 6]  # fmt: skip


def test_frames_of_two_servers_are_written_in_the_order_of_their_times(tmp_path):
    with capturing(tmp_path / "a") as capture:
        capture.take(seen(TAP, ping(at), at) for at in range(0, 100, 2))
        capture.take(seen(PORT, ping(at), at) for at in range(1, 100, 2))
    found = times(tmp_path / "a")
    assert len(found) == capture.frames == 100
    assert all(later - earlier == 1 for earlier, later in pairwise(found))


def test_a_server_whose_clock_is_ahead_keeps_no_frame_waiting(tmp_path):
    ahead = 3600 * 10**9
    with capturing(tmp_path / "a", CaptureLimits(60, 1 << 30)) as capture:
        capture.take(seen(PORT, ping(at), ahead + at) for at in range(20))
        due = Deadline(30)
        while capture.counts[PORT, False] < 20:
            capture.take([seen(TAP, ping(), 0)])
            assert not due.passed()


def test_the_number_that_was_wanted_holds_also_where_its_time_was_over_first(tmp_path):
    with capturing(tmp_path / "a", CaptureLimits(60, 3)) as capture:
        capture.end("time")
        capture.take([seen(TAP, ping(), at) for at in range(7)])
    assert (capture.ending, capture.frames) == ("time", 3)


def test_as_many_frames_as_were_wanted_end_it_and_no_more_are_written(tmp_path):
    with capturing(tmp_path / "a", CaptureLimits(60, 3)) as capture:
        capture.take([seen(TAP, ping(), at) for at in range(7)])
        assert capture.over.wait(30)
        capture.take([seen(TAP, ping(), 9)])
    assert (capture.ending, capture.frames) == ("frames", 3)
    assert len(times(tmp_path / "a")) == 3


def test_the_bytes_that_were_wanted_end_it_before_the_frame_that_is_too_much(tmp_path):
    with capturing(tmp_path / "a", CaptureLimits(60, 1000, 8000)) as capture:
        capture.take([seen(TAP, ping(), at) for at in range(100)])
    found = blocks((tmp_path / "a").read_bytes())
    (packet,) = {12 + len(body) for kind, body in found if kind == 6}
    (statistics,) = {12 + len(body) for kind, body in found[-4:]}
    assert (capture.ending, statistics) == ("bytes", COUNT)
    assert 8000 - packet - ROOM < (tmp_path / "a").stat().st_size <= 8000


def test_its_time_begins_when_every_server_listens_and_ends_it(tmp_path):
    begun = []
    with FileIO(tmp_path / "a", "wb") as stream:
        limits, clocks = CaptureLimits(0.05, 1000), ClockComparison(TUNNELS)
        writer = PcapngWriter(stream, "farswitch 1")
        with FrameCapture(writer, clocks, limits, POINTS, lambda: begun.append(1)) as capture:
            capture.begin("server1")
            assert (begun, capture.listening) == ([], False)
            capture.begin("far")
            capture.begin("far")
            assert (begun, capture.listening) == ([1], True)
            assert Deadline(30).wait(capture.over)
    assert capture.ending == "time"


def test_the_first_reason_to_end_counts(tmp_path):
    with capturing(tmp_path / "a") as capture:
        capture.end("interrupted")
        capture.end("server")
    assert capture.ending == "interrupted"
    assert blocks((tmp_path / "a").read_bytes())


def test_a_full_disk_ends_it():
    with capturing(Path("/dev/full")) as capture:
        assert capture.over.is_set()
        capture.take([seen(TAP, ping(), 1)])
    assert capture.ending == "disk"
    assert capture.error is not None
    assert capture.error.strerror == "No space left on device"
    assert capture.frames == 0


def test_a_reader_that_goes_away_ends_it():
    reading, writing = os.pipe()
    with FileIO(writing, "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1")
        with FrameCapture(writer, ClockComparison(TUNNELS), LIMITS, POINTS) as capture:
            assert os.read(reading, 8)[:4] == b"\x0a\x0d\x0d\x0a"
            os.close(reading)
            capture.take([seen(TAP, ping(), 1)])
            assert capture.over.wait(30)
        capture.conclude("", rewrite=False)
    assert capture.ending == "reader"


def test_what_is_read_live_has_every_frame_before_the_end():
    reading, writing = os.pipe()
    with FileIO(writing, "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1")
        with FrameCapture(writer, ClockComparison(TUNNELS), LIMITS, POINTS) as capture:
            capture.take([seen(TAP, ping(), 1)])
            got, wanted = b"", ping()
            while wanted not in got:
                got += os.read(reading, 1 << 16)
            assert not capture.over.is_set()
    os.close(reading)


def test_what_is_reported_are_frames_by_interface_and_the_clocks(tmp_path):
    there, back = wrapped(ping(1)), wrapped(ping(2, back=True))
    with capturing(tmp_path / "a") as capture:
        capture.take([seen(NEAR, there, 0, out=True), seen(NEAR, back, 900)])
        capture.take([seen(FAR, there, 150), seen(FAR, back, 850, out=True)])
        capture.lost["far"] = 7
        capture.end("time")
    found = document(capture, POINTS, "a")
    assert [(one["name"], one["received"], one["sent"]) for one in found["interfaces"]] == [
        ("fsd41", 0, 0), ("fsv41", 0, 0), ("u0", 1, 1), ("u1", 1, 1), ("fsv41", 0, 0),
    ]  # fmt: skip
    assert (found["frames"], found["lost"], found["ending"]) == (4, {"far": 7}, "time")
    (clock,) = found["clocks"]
    assert (clock["offset_ns"], clock["bound_ns"]) == (-50, 100)
    told = " ".join(sentences(capture, "a"))
    assert "'far' had no room for 7 more" in told
    assert "0.1 µs behind that of 'far', ± 0.1 µs" in told


def test_a_file_has_its_name_when_it_is_kept_and_leaves_nothing_when_it_is_not(tmp_path):
    path = tmp_path / "a.pcapng"
    with CaptureTarget(path) as target:
        target.stream.write(b"1")
        assert [one.name for one in tmp_path.iterdir()] == ["a.pcapng.part"]
    assert list(tmp_path.iterdir()) == []
    with CaptureTarget(path) as target:
        target.stream.write(b"2")
        target.keep()
    assert [one.name for one in tmp_path.iterdir()] == ["a.pcapng"]
    assert path.read_bytes() == b"2"


def test_a_place_that_cannot_be_written_is_refused_before_anything(tmp_path):
    (tmp_path / "a.part").mkdir()
    for path in (tmp_path, tmp_path / "none/a"):
        with pytest.raises(ConfigError, match="cannot be written"):
            CaptureTarget(path)
    with pytest.raises(ConfigError, match="Is a directory"), CaptureTarget(tmp_path / "a"):
        pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--write", "-", "--json"), "both want standard output"),
        (("--filter", "a\nb"), "no line of text"),
        (("--seconds", "0"), "Invalid value for '--seconds'"),
        (("--snaplen", "20"), "Invalid value for '--snaplen'"),
        (("--write", "/nowhere/a"), "'/nowhere/a' cannot be written"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(words: tuple[str, ...], said: str, tmp_path):
    argv = [sys.executable, "-m", "farswitch", "capture", "node1", "--site", "lab", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
