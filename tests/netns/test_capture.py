"""Frames of two guests at every interface of their way, copied by real kernels, read by tshark."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from farswitch.capture.clocks import ClockComparison
from farswitch.capture.far_end import copy_frames
from farswitch.capture.frame_capture import CaptureLimits, FrameCapture
from farswitch.capture.frames import FrameReader
from farswitch.capture.packet_filter import FrameFilter, program
from farswitch.capture.pcapng import PcapngWriter
from farswitch.capture.points import capture_points, tunnel_frames
from farswitch.connections.netlink.links import dump
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import ConfigError, FarswitchError
from farswitch.model.machines import DATA_NIC
from farswitch.proof.frame_counts import SendPlan, send
from farswitch.remote import command
from farswitch.status.observed import ServerLook
from farswitch.trace.frame import TracedFrames
from tasks.capture import capture as copy
from tasks.translate_filter import translate_filter
from tests.netns.built_servers import Net, sh, two_servers

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark"),
    pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump"),
]
TOKEN = bytes(range(8))
SIZE = 128
WAY = [
    ("server1 fsd41 (node1)", "1"),
    ("server1 fsv41 (node1)", "2"),
    ("server1 u0 (underlay)", "2"),
    ("server2 u0 (underlay)", "1"),
    ("server2 fsv41 (node1)", "1"),
    ("server2 fsv42 (node2)", "2"),
    ("server2 u0 (underlay)", "2"),
    ("server1 u0 (underlay)", "1"),
    ("server1 fsv42 (node2)", "1"),
    ("server1 fsd42 (node2)", "2"),
]
"""All interfaces that a frame passes, with pcapng's numbers for coming in and going out."""


@pytest.fixture(scope="module")
def net(lasting_boxes, tmp_path_factory) -> Net:
    """A cluster of two guests as a build leaves it, each with a namespace."""
    made = two_servers(lasting_boxes, tmp_path_factory.mktemp("capture"), apart=True)
    made.build()
    made.plug()
    return made


def looked(net: Net) -> dict[str, ServerLook]:
    found = {}
    for server in net.cluster.servers:
        endpoint = net.context.hosts[server.name].connections["netlink"].connection
        with endpoint.session() as ipr:
            underlay = net.context.evidence.underlays[server.name]
            found[server.name] = ServerLook(underlay, dump(ipr), 0.0)
    return found


def translated(net: Net, expression: str) -> FrameFilter:
    found: FrameFilter = net.task(
        "server1", translate_filter, expression=expression, size=SIZE
    ).result
    return found


@contextmanager
def captured(
    net: Net,
    path: Path,
    expression: str = "",
    *,
    frames: int = 1000,
    guests: Sequence[int] = (0, 1),
) -> Iterator[FrameCapture]:
    """Capture in the block, which begins when both servers listen."""
    chosen = [net.cluster.guests[at] for at in guests]
    names = [server.name for server in net.cluster.servers]
    points, missing = capture_points(net.cluster, chosen, looked(net), dict.fromkeys(names, "u0"))
    assert missing == []
    tunnels, begun = tunnel_frames(net.cluster, chosen), threading.Event()
    filtered = FrameFilter.everything(SIZE)
    if expression:
        filtered = translated(net, expression)

    def run(name: str) -> None:
        own = [point for point in points if point.host == name]
        code = program(own, tunnels, filtered)
        net.task(name, copy, points=own, program=code, into=capture, size=256, seconds=60)

    limits = CaptureLimits(60, frames)
    with FileIO(path, "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1", expression)
        clocks = ClockComparison(tunnels)
        with FrameCapture(writer, clocks, limits, points, begun.set) as capture:
            threads = [threading.Thread(target=run, args=(name,)) for name in names]
            for thread in threads:
                thread.start()
            try:
                assert Deadline(30).wait(begun)
                yield capture
            finally:
                capture.end("interrupted")
                for thread in threads:
                    thread.join()
        capture.conclude("the end", rewrite=True)


def sent(net: Net, frame: bytes, *, count: int = 1, back: bool = False) -> None:
    """Send frames of the first guest, or of the second."""
    name = net.cluster.guests[1 if back else 0].name
    box = net.context.hosts[name].connections["shell"].connection
    plan = SendPlan(streams=[(DATA_NIC, count, [frame.hex()])])
    assert send(box, plan, TOKEN).streams == [(count, "")]


def made(net: Net, frames: TracedFrames, *, back: bool = False) -> bytes:
    sender, receiver = reversed(net.cluster.guests) if back else net.cluster.guests
    return frames.frame(sender, receiver, TOKEN)


def read(path: Path, *fields: str, only: str = "") -> list[tuple[str, ...]]:
    """Return fields of each packet as tshark reads them, the outermost of each."""
    words = [word for field in fields for word in ("-e", field)]
    chosen = ["-Y", only] if only else []
    argv = ["tshark", "-n", "-r", path, *chosen, "-T", "json", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    return [tuple(layer.get(field, [""])[-1] for field in fields) for layer in layers]


def seen(path: Path) -> list[tuple[str, str]]:
    """Return each packet's interface, and 1 where it came in, 2 where it went out."""
    fields = ("frame.interface_name", "frame.packet_flags_direction")
    return [(name, flag[-1]) for name, flag in read(path, *fields)]


@pytest.mark.parametrize(
    ("frames", "expression"),
    [
        pytest.param(TracedFrames(), "icmp", id="echo"),
        pytest.param(TracedFrames(size=1450), "icmp and greater 1464", id="large"),
        pytest.param(TracedFrames(tcp=True), "tcp[13] & 2 != 0", id="tcp"),
        pytest.param(TracedFrames(), "ether host 02:fa:00:00:00:29", id="by-mac"),
    ],
)
def test_one_frame_is_seen_at_every_interface_in_the_order_of_its_way(
    net, tmp_path, frames: TracedFrames, expression: str
):
    frame = made(net, frames)
    with captured(net, tmp_path / "a", expression, frames=len(WAY)) as capture:
        sent(net, frame)
        assert Deadline(30).wait(capture.over)
    assert (capture.ending, capture.lost) == ("frames", {"server1": 0, "server2": 0})
    assert seen(tmp_path / "a") == WAY
    macs = set(read(tmp_path / "a", "eth.src", "eth.dst"))
    assert macs == {(net.cluster.guests[0].data_mac, net.cluster.guests[1].data_mac)}
    vnis = [vni for (vni,) in read(tmp_path / "a", "vxlan.vni", only="vxlan")]
    assert vnis == ["41", "41", "42", "42"]


def test_a_tag_of_vlan_is_seen_everywhere_also_by_a_filter(net, tmp_path):
    frame = made(net, TracedFrames())
    tagged = frame[:12] + b"\x81\x00\x00\x05" + frame[12:]
    with captured(net, tmp_path / "a", "vlan 5", frames=len(WAY)) as capture:
        sent(net, frame)
        sent(net, tagged)
        assert Deadline(30).wait(capture.over)
    assert seen(tmp_path / "a") == WAY
    assert read(tmp_path / "a", "vlan.id") == [("5",)] * len(WAY)


def test_what_a_filter_leaves_out_and_other_guests_frames_are_not_there(net, tmp_path):
    echo, tcp = (made(net, TracedFrames(tcp=tcp)) for tcp in (False, True))
    with captured(net, tmp_path / "a", "tcp", guests=[1], frames=5) as capture:
        sent(net, echo)
        sent(net, tcp)
        assert Deadline(30).wait(capture.over)
    assert seen(tmp_path / "a") == WAY[5:]


def test_a_filter_of_the_direction_is_that_of_each_interface(net, tmp_path):
    inbound = [one for one in WAY if one[1] == "1"]
    with captured(net, tmp_path / "a", "icmp and inbound", frames=len(inbound)) as capture:
        sent(net, made(net, TracedFrames()))
        assert Deadline(30).wait(capture.over)
    assert seen(tmp_path / "a") == inbound


def test_what_gets_lost_is_seen_up_to_there(net, tmp_path):
    port = net.boxes["server2"]
    sh(port, "ip link set fsv42 down")
    try:
        with captured(net, tmp_path / "a", "icmp", frames=5) as capture:
            sent(net, made(net, TracedFrames()))
            assert Deadline(30).wait(capture.over)
    finally:
        sh(port, "ip link set fsv42 up")
    assert seen(tmp_path / "a") == WAY[:5]


def test_the_clock_of_two_servers_on_one_machine_is_one_within_the_bound(net, tmp_path):
    with captured(net, tmp_path / "a", "icmp", frames=2 * 5 * len(WAY)) as capture:
        for number in range(5):
            for back in (False, True):
                frame = made(net, TracedFrames(), back=back)
                sent(net, frame[:-2] + number.to_bytes(2, "big"), back=back)
        assert Deadline(30).wait(capture.over)
    (clock,) = capture.offsets
    assert (clock.server, clock.reference, clock.there, clock.back) == (
        "server2",
        "server1",
        10,
        10,
    )
    assert abs(clock.offset) <= clock.bound


@pytest.mark.parametrize(
    ("expression", "said"),
    [("icmpx", "syntax error"), ("-w /x", "is no filter")],
)
def test_what_is_no_filter_is_refused_with_tcpdumps_reason(net, expression: str, said: str):
    with pytest.raises(ConfigError, match=said):
        translated(net, expression)


def test_a_server_without_tcpdump_is_named(net):
    box, program = net.boxes["server1"], shutil.which("tcpdump") or ""
    sh(box, 'mount --bind /dev/null "$1"', program)
    try:
        with pytest.raises(ConfigError, match="has no tcpdump"):
            translated(net, "icmp")
    finally:
        sh(box, 'umount "$1"', program)


def everything() -> str:
    """Return a program of BPF that keeps every frame, a number of bytes that is its own."""
    return f"06000000{secrets.token_hex(2)}0100"


def running(box: LocalShell, word: str) -> bool:
    """Whether a program with a word on its command line runs there."""
    return word in box.run(("ps", "-eo", "args")).stdout


@pytest.mark.parametrize("end", ["line", "input", "time"])
def test_the_program_on_a_server_ends_by_a_line_by_its_inputs_end_and_in_time(box, end: str):
    seconds, chosen = "1" if end == "time" else "60", everything()
    process = box.start(command("capture_frames", seconds, "128", chosen))
    reader, ended = FrameReader("server", {}), []
    while not reader.begun:
        list(reader.feed(process.read(1 << 16)))
    if end == "line":
        process.write(b"\n")
    elif end == "input":
        process.close()
    if end != "input":
        while block := process.read(1 << 16):
            list(reader.feed(block))
        process.close()
        ended = [reader.lost]
    assert ended == {"line": [0], "input": [], "time": [None]}[end]
    wait_until(lambda: not running(box, chosen), Deadline(10), what="The end of the program")


def test_a_program_that_cannot_listen_is_a_failure_that_says_why(net, tmp_path):
    with FileIO(tmp_path / "a", "wb") as stream:
        tunnels = tunnel_frames(net.cluster, net.cluster.guests)
        writer = PcapngWriter(stream, "farswitch 1")
        with FrameCapture(writer, ClockComparison(tunnels), CaptureLimits(60, 1), []) as capture:
            with pytest.raises(
                FarswitchError, match=r"(?s)The capture on 'server1' did not begin: .*Invalid"
            ):
                copy_frames(
                    "server1", net.boxes["server1"], [], b"\xff" * 8, capture, size=128, seconds=60
                )
            capture.end("server")
