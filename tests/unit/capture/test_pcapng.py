"""What a server sends becomes a file that Wireshark reads; it may come in any pieces."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from farswitch.capture.frames import LARGEST, CapturedFrame, FrameReader
from farswitch.capture.pcapng import ROOM, PcapngWriter
from farswitch.errors import FarswitchError
from farswitch.remote.capture_frames import RECORD, record
from tests.unit.capture.sightings import FAR, NEAR, PORT, START, TAP, ping, seen, wrapped

BY_NAME = {TAP.name: TAP, NEAR.name: NEAR}
BEGIN, END = RECORD.pack(0, b"", 0, 0, 0), RECORD.pack(0, b"", 12, 0, 0)
FRAME = ping()
BARE = replace(NEAR, ethernet=False)


def sent(name: str, frame: bytes, *, kind: int = 3, length: int = 0) -> bytes:
    return RECORD.pack(START, name.encode(), length or len(frame), len(frame), kind) + frame


STREAM = BEGIN + sent("fsd41", FRAME) + sent("eth7", FRAME) + sent("u0", b"", length=9) + END


@pytest.mark.parametrize("size", [1, 7, RECORD.size, 100, len(STREAM)])
def test_frames_come_out_whole_however_the_stream_is_cut(size: int):
    reader = FrameReader("server1", BY_NAME)
    blocks = (STREAM[at : at + size] for at in range(0, len(STREAM), size))
    found = [frame for block in blocks for frame in reader.feed(block)]
    assert found == [
        CapturedFrame(TAP, START, len(FRAME), FRAME, 3),
        CapturedFrame(NEAR, START, 9, b"", 3),
    ]
    assert (reader.begun, reader.lost) == (True, 12)


@pytest.mark.parametrize("cut", range(0, len(STREAM), 11))
def test_a_stream_that_ends_early_is_known_by_its_missing_end(cut: int):
    reader = FrameReader("server1", BY_NAME)
    assert len(list(reader.feed(STREAM[:cut]))) <= 2
    assert reader.lost is None


def test_a_frame_larger_than_any_interface_carries_is_refused():
    head = RECORD.pack(START, b"fsd41", 100, LARGEST + 1, 0)
    with pytest.raises(FarswitchError, match="'server1' sent a frame of"):
        list(FrameReader("server1", BY_NAME).feed(BEGIN + head))


def test_a_tag_that_the_kernel_keeps_beside_a_frame_is_put_back():
    time = (1, 35, struct.pack("@ll", 5, 7))
    auxiliary = (263, 8, struct.pack("=IIIHHHH", 1 << 4 | 1 << 6, 900, 60, 0, 0, 5, 0x8100))
    reader = FrameReader("server1", BY_NAME)
    made = record(memoryview(FRAME), [time, auxiliary], "fsd41", 3)
    (frame,) = reader.feed(BEGIN + made)
    assert (frame.time, frame.length) == (5 * 10**9 + 7, 904)
    assert frame.data == FRAME[:12] + b"\x81\x00\x00\x05" + FRAME[12:]


def written(path: Path, *frames: CapturedFrame, comment: str = "end") -> bytes:
    with FileIO(path, "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1", "icmp")
        writer.begin([TAP, BARE, FAR, PORT])
        for frame in frames:
            writer.add(writer.packet(frame))
        writer.end(comment, START, {TAP: len(frames)})
        writer.replace_comment(comment)
        assert writer.size == path.stat().st_size
    return path.read_bytes()


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    """Return type and body of each block, with both lengths checked."""
    found, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, at + size - 4) == (size,)
        found.append((kind, data[at + 8 : at + size - 4]))
        at += size
    return found


def test_the_file_is_blocks_of_the_form_and_its_comment_is_the_last_one(tmp_path):
    found = blocks(written(tmp_path / "a", seen(TAP, FRAME[:61], 5), comment="µ" * ROOM))
    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, 1, 1, 1, 6, 5, 5, 5, 5]
    assert "µ".encode() * (ROOM // 2) in found[0][1]


@pytest.mark.parametrize(
    ("kind", "flags"), [(0, 0b00101), (1, 0b01101), (2, 0b01001), (3, 0b10001), (4, 0b00010)]
)
def test_direction_and_kind_of_a_frame_are_flags_of_its_packet(tmp_path, kind: int, flags: int):
    frame = CapturedFrame(PORT, START, 400, FRAME, kind)
    body = dict(blocks(written(tmp_path / "a", frame)))[6]
    number, high, low, size, length = struct.unpack_from("<IIIII", body)
    assert (number, high << 32 | low, size, length) == (3, START, len(FRAME), 400)
    assert struct.unpack("<HHIHH", body[-12:]) == (2, 4, flags, 0, 0)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_wireshark_reads_names_times_directions_and_what_is_within_a_tunnel(tmp_path):
    path = tmp_path / "a.pcapng"
    without = CapturedFrame(BARE, START + 1_001, 500, wrapped(FRAME, ethernet=False), 0)
    written(path, seen(TAP, FRAME, 1), without, seen(FAR, wrapped(FRAME), 2_002, out=True))
    names = ["frame.interface_name", "frame.time_epoch", "frame.len", "frame.protocols",
             "frame.packet_flags_direction"]  # fmt: skip
    fields = [word for name in names for word in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-r", path, "-T", "json", *fields], capture_output=True, text=True, check=True
    )
    rows: list[list[Any]] = [
        [packet["_source"]["layers"].get(name, [""])[0] for name in names]
        for packet in json.loads(done.stdout)
    ]
    assert [row[0] for row in rows] == [
        "server1 fsd41 (node1)", "server1 u0 (underlay)", "far u1 (underlay)",
    ]  # fmt: skip
    assert [row[1] for row in rows] == [f"1700000000.00000{n}" for n in ("0001", "1001", "2002")]
    assert [row[2] for row in rows] == [str(len(FRAME)), "500", str(len(wrapped(FRAME)))]
    assert rows[0][3].startswith("eth:ethertype:ip:icmp")
    assert rows[1][3].startswith("raw:ip:udp:vxlan:eth:ethertype:ip:icmp")
    assert [row[4][-1] for row in rows] == ["1", "1", "2"]


def test_a_flush_without_room_leaves_what_was_whole(tmp_path):
    class Full(FileIO):
        room = True

        def write(self, data: Any) -> int:
            if self.room:
                return super().write(data)
            super().write(bytes(data)[:9])
            raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    with Full(path, "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1")
        writer.begin([TAP])
        writer.add(writer.packet(seen(TAP, FRAME, 1)))
        writer.flush()
        whole, stream.room = path.read_bytes(), False
        writer.add(writer.packet(seen(TAP, FRAME, 2)))
        with pytest.raises(OSError, match="No space"):
            writer.flush()
    assert path.read_bytes() == whole
    assert [kind for kind, _ in blocks(whole)] == [0x0A0D0D0A, 1, 6]
