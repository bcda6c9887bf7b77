"""A matrix is the ports' own counters to the byte, whatever the switch is, and leaves nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from farswitch.connections.shell.protocol import Process
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.firewall import nft
from farswitch.firewall import read as firewall
from farswitch.leftovers.find import ObservedServer, find
from farswitch.leftovers.orphans import Times
from farswitch.matrix import count
from farswitch.matrix.by_guest import BROADCAST, MULTICAST, TrafficMatrix, matrix_of
from farswitch.matrix.reading import AddressPair, TrafficCount
from farswitch.matrix.table import MatrixTable, wanted_matrix
from farswitch.model.switch import parse_switch
from farswitch.remote import command
from farswitch.run import print_matrix
from farswitch.state import journal
from tasks.matrix import matrix
from tasks.switch_remove import switch_remove
from tests.lab.counted import ALLTOALL, BLOCK, ROUNDS, assert_exact
from tests.netns.built_servers import MTU, Net, sh, two_servers
from tests.netns.exchanges import converged, exchanged, heard
from tests.netns.own_openvswitch import own_openvswitch
from tests.netns.study_testbed import BIN, ENVIRONMENT, NamespaceTestbed

pytestmark = pytest.mark.root
SCRIPT = str(Path(__file__).parents[2] / "examples/switch.py")
KINDS: dict[str, object] = {
    "bridge": "bridge",
    "openvswitch": {"openvswitch": {"datapath": "netdev", "tso": True}},
    "program": {
        "program": {"file": SCRIPT, "command": ["python3", "{file}", "{ports}"], "ready": "^ready"}
    },
}
_SEND = """
import socket, sys
plug = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
plug.bind(("data0", 0))
for to, sender, size, count in (one.split(",") for one in sys.argv[1:]):
    frame = bytes.fromhex(to + sender) + b"\\x88\\xb5" + bytes(int(size))
    for _ in range(int(count)):
        plug.send(frame)
"""
_TALK = """
import socket, sys
how, address, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
if how == "take":
    taker = socket.create_server(("", 5000))
    print("listens", flush=True)
    plug, _ = taker.accept()
    taken = 0
    while block := plug.recv(1 << 16):
        taken += len(block)
    print(taken, flush=True)
else:
    with socket.create_connection((address, 5000)) as plug:
        plug.sendall(bytes(size))
"""
ALL, GROUP, NOBODY = "ffffffffffff", "01005e000001", "020000000099"


@pytest.fixture(scope="module")
def made(lasting_boxes, tmp_path_factory) -> Iterator[Net]:
    net = two_servers(lasting_boxes, tmp_path_factory.mktemp("matrix"), apart=True)
    net.build()
    net.plug()
    NamespaceTestbed(net, lambda _: None)  # MPI's launcher gets into its guests
    for number, other in ((1, 2), (2, 1)):  # with neighbours known for good, nobody asks by himself
        far = f"10.0.0.1{other} lladdr {net.cluster.guests[other - 1].data_mac}"
        sh(net.boxes[f"node{number}"], f"ip neigh replace {far} dev data0 nud permanent")
    with own_openvswitch(net.boxes["server2"], tso=True):
        yield net
        net.task("server2", switch_remove, owner=net.cluster.owner)


@pytest.fixture
def net(made) -> Iterator[Net]:
    """The servers with the bridge as their switch; nothing counts before or after."""
    converged(made)
    yield made
    made.task("server2", matrix, owner=made.cluster.owner, present=False)


def mac(net: Net, number: int) -> str:
    return net.cluster.guests[number - 1].data_mac.replace(":", "")


def send(net: Net, number: int, *frames: tuple[str, int, int], sender: str = "") -> None:
    """Send frames of a guest: to whom, how many bytes behind their header, and how many."""
    words = [f"{to},{sender or mac(net, number)},{size},{times}" for to, size, times in frames]
    net.boxes[f"node{number}"].run(("python3", "-c", _SEND, *words))


def converge(net: Net, **options: object):
    ports = net.cluster.switch_ports(MTU)
    return net.task("server2", matrix, owner=net.cluster.owner, ports=ports, **options)


def received(net: Net) -> dict[str, int]:
    """Return what another tool says that the ports received."""
    shown = json.loads(net.boxes["server2"].run(("ip", "-j", "-s", "link")).stdout)
    return {one["ifname"]: one["stats64"]["rx"]["bytes"] for one in shown}


def line(process: Process) -> str:
    text = b""
    while not text.endswith(b"\n"):
        block = process.read(100)
        assert block, process.stderr_tail()
        text += block
    return text.decode().strip()


def tables(net: Net) -> str:
    return net.boxes["server2"].run(("nft", "list", "tables")).stdout


def timers(net: Net) -> list[str]:
    look = "ls /run/farswitch-deadman 2>/dev/null || true"
    return [one for one in sh(net.boxes["server2"], look).split() if one.startswith("matrix-")]


def counted(net: Net, first, last) -> TrafficMatrix:
    return matrix_of(net.cluster.switch_ports(MTU), last - first)


@pytest.fixture(params=KINDS)
def used(net, request) -> Net:
    """The servers with one kind of switch after the other."""
    used = exchanged(net, parse_switch(KINDS[request.param])) if request.param != "bridge" else net
    converged(used)
    assert heard(used)
    return used


def test_an_alltoall_of_mpi_is_the_ports_counters_to_the_byte(used, record_property):
    """Of four ranks, two a guest: each guest sends the other four blocks a round."""
    addresses = ",".join(str(guest.data_address.ip) for guest in used.cluster.guests)
    launcher = (
        str(BIN / "mpiexec"),
        "-launcher",
        "rsh",
        "-launcher-exec",
        str(used.folder / "rsh"),
    )
    words = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    argv = ("env", f"PATH={BIN}:{os.environ['PATH']}", *words, *launcher, "-np", "4", "-hosts",
            addresses, sys.executable, "-c", ALLTOALL)  # fmt: skip
    first = converge(used).result
    used.boxes["node1"].run(argv, timeout=60)
    found = counted(used, first, converge(used, present=False).result)
    entry = print_matrix.document(found, {})
    assert_exact(json.loads(json.dumps(entry)), payload=4 * BLOCK * ROUNDS)
    record_property("figure", str({pair: one.bytes for pair, one in found.cells.items()}))
    assert list(found.notes()) == []


def test_frames_are_the_ports_counters_to_the_byte_by_sender_and_receiver(used):
    first, before = converge(used).result, received(used)
    send(used, 1, (mac(used, 2), 100, 7), (ALL, 46, 3), (GROUP, 60, 2), (NOBODY, 80, 1))
    send(used, 2, (mac(used, 1), 1400, 5))
    send(used, 2, (ALL, 200, 4), sender=NOBODY)
    assert heard(used)
    last, after = converge(used, present=False).result, received(used)
    found = counted(used, first, last)
    assert found.steady
    cells = found.cells
    assert cells["node1", MULTICAST] == TrafficCount(2, 120)
    assert cells["node1", "02:00:00:00:00:99"] == TrafficCount(1, 80)
    assert cells["02:00:00:00:00:99 from node2", BROADCAST] == TrafficCount(4, 800)
    assert cells["node2", "node1"].bytes >= 7000
    assert cells["node1", BROADCAST] == TrafficCount(3, 3 * 46)
    for guest in used.cluster.guests:
        grown = after[guest.tunnel] - before[guest.tunnel]
        assert found.counted(guest.name).bytes == grown == found.ports[guest.name].received.bytes
    assert list(found.notes()) == []


def stream(net: Net, size: int) -> None:
    """Let the first guest send the second so many bytes by TCP."""
    argv = ("python3", "-c", _TALK)
    with closing(net.boxes["node2"].start((*argv, "take", "", "0"))) as taker:
        assert line(taker) == "listens"
        net.boxes["node1"].run((*argv, "send", "10.0.0.12", str(size)))
        assert line(taker) == str(size)


def test_super_packets_are_counted_with_all_their_bytes(net):
    first = converge(net).result
    stream(net, 5_000_000)
    found = counted(net, first, converge(net, present=False).result)
    (port, *_), cell = found.ports.values(), found.cells["node1", "node2"]
    assert port.received.bytes == found.counted("node1").bytes
    assert 5_000_000 < cell.bytes < 5_300_000
    assert cell.packets < 5_000_000 / MTU
    assert list(found.notes()) == []


def test_segments_that_a_port_joins_are_said_with_what_of_their_headers_is_gone(net):
    """As behind a wire that carries whole frames with finished checksums: a real one."""
    box = net.boxes["node1"]
    box.run(command("whole_frames", "set", "data0"))
    first = converge(net).result
    stream(net, 5_000_000)
    found = counted(net, first, converge(net, present=False).result)
    port, row = found.ports["node1"], found.counted("node1")
    joined = port.received.packets - row.packets
    assert joined > 0
    assert port.received.bytes - row.bytes == 52 * joined, "IPv4, TCP, and its time stamps"
    assert found.cells["node1", "node2"].bytes > 5_000_000
    (note,) = found.notes()
    assert f"received {52 * joined:,} bytes more than its row has" in note


def test_a_second_run_changes_nothing_and_the_last_leaves_nothing(net):
    assert converge(net, dry_run=True).diff == "+ table netdev farswitch_t"
    assert tables(net).count("netdev") == 0
    assert converge(net, present=False).changed is False
    assert (converge(net).changed, converge(net).changed) == (True, False)
    send(net, 1, (NOBODY, 100, 3))
    pair = AddressPair("fsv41", net.cluster.guests[0].data_mac, "02:00:00:00:00:99")
    assert converge(net, dry_run=True).result.pairs[pair] == TrafficCount(3, 300)
    assert len(timers(net)) > 0
    converge(net, present=False)
    assert tables(net).count("netdev") == 0
    assert timers(net) == []


def test_other_ports_make_the_table_anew(net):
    converge(net)
    fewer = net.cluster.switch_ports(MTU)[:1]
    done = net.task("server2", matrix, owner=net.cluster.owner, ports=fewer)
    assert done.diff == "~ table netdev farswitch_t"
    assert set(done.result.ports) == {"fsv41"}


def test_it_is_ours_to_all_that_looks_at_firewalls(net):
    converge(net)
    box, owner = net.boxes["server2"], net.cluster.owner
    chains = {chain.table for chain in firewall.observe(box).chains}
    assert f"netdev {owner.guard_table}" not in chains
    net.build()
    assert converge(net).changed is False
    assert net.failed("server.firewall") == []
    assert net.failed("server.guard") == []
    listed = nft.objects(box.run(("nft", "-j", "list", "ruleset")).stdout)
    seen = ObservedServer((), listed, firewall.observe(box), {}, journal.load(box), frozenset())
    found = find(seen, Times(0, 0, {}), {}, server="server2").of(owner.cluster)
    assert "netdev farswitch_t" in {one.name for one in found if one.kind == "nft table"}


def test_a_table_without_our_mark_is_refused_and_stays(net):
    box = net.boxes["server2"]
    box.run(("nft", "add table netdev farswitch_t; add chain netdev farswitch_t mine"))
    for present in (True, False):
        with pytest.raises(ForeignObjectError, match="farswitch_t"):
            converge(net, present=present)
    assert "mine" in box.run(("nft", "list", "ruleset")).stdout
    box.run(("nft", "delete table netdev farswitch_t"))


def test_pairs_without_room_are_said(net):
    box, owner = net.boxes["server2"], net.cluster.owner
    want = MatrixTable(("fsv41", "fsv42"), room=2)
    count.arm(box, want, owner, count.plan_here(box, want, owner))
    first = count.read(box, want, owner)
    frames = [(f"0200000000{number:02x}", 100, 2) for number in range(5)]
    send(net, 1, *frames)
    found = counted(net, first, count.read(box, want, owner))
    assert found.counted("node1").packets == 4
    assert found.missed == TrafficCount(6, 600)
    assert found.ports["node1"].received.bytes == 1000
    (note,) = found.notes()
    assert note.startswith("6 frames of 600 bytes are in no cell")


def test_two_at_once_are_refused_by_a_sentence(net):
    box, owner = net.boxes["server2"], net.cluster.owner
    change = count.plan_here(box, wanted_matrix(net.cluster.switch_ports(MTU)), owner)
    converge(net)
    with pytest.raises(count.MatrixBusyError, match="is being counted on 'box"):
        count.refuse_if_counted(box, owner)
    with pytest.raises(FarswitchError, match="File exists"):
        count.arm(box, wanted_matrix(net.cluster.switch_ports(MTU)), owner, change)
    assert converge(net).changed is False


def test_a_server_that_hears_no_more_of_it_removes_it_by_itself(net, monkeypatch):
    monkeypatch.setattr(count, "SECONDS", 1)
    converge(net)
    box, owner = net.boxes["server2"], net.cluster.owner
    wait_until(lambda: "netdev" not in tables(net), Deadline(20), what="The table's end")
    with pytest.raises(count.MatrixGoneError, match="counts at the ports of cluster 't'"):
        count.read(box, wanted_matrix(net.cluster.switch_ports(MTU)), owner)
    assert converge(net, present=False).changed is False
    assert timers(net) == []


def test_it_goes_with_the_login_of_a_controller_that_is_killed_and_no_other_one_does(net):
    box, owner, ports = net.boxes["server2"], net.cluster.owner, net.cluster.switch_ports(MTU)
    converge(net, token="-mine")
    with count.removed_at_logout(box, wanted_matrix(ports, "-another"), owner):
        pass
    assert converge(net, token="-mine").changed is False
    assert timers(net), "it is another count that ended"
    with count.removed_at_logout(box, wanted_matrix(ports, "-mine"), owner):
        assert "netdev farswitch_t" in tables(net)
    wait_until(lambda: "netdev" not in tables(net), Deadline(20), what="The table's end")
    assert timers(net) == [], "nothing fires later, and nothing has to be told"
