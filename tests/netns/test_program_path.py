"""Two guests meet through a program of the user's, on the ports that a build makes."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.site.loader import ROOT
from farswitch.switches import program_host
from farswitch.switches.program import ProgramSwitch
from tasks.switch import switch
from tasks.switch_remove import switch_remove
from tests.netns.built_servers import MTU, PROBES, Net, sh, two_servers

pytestmark = pytest.mark.root
SWITCH = ProgramSwitch(
    command=["{file}", "{ports}"], file=str(ROOT / "examples/switch.py"), ready="^ready$"
)
BYTES = 4_000_000
_SERVE = """
import socket
server = socket.create_server(("10.0.0.12", 5000))
print("listens", flush=True)
peer, _ = server.accept()
count = 0
while block := peer.recv(65536):
    count += len(block)
print(count, flush=True)
"""
_SEND = """
import socket, sys
with socket.create_connection(("10.0.0.12", 5000), timeout=20) as peer:
    peer.sendall(bytes(int(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def net(lasting_boxes, tmp_path_factory) -> Net:
    folder = tmp_path_factory.mktemp("program")
    net = two_servers(lasting_boxes, folder, apart=True, switch=SWITCH)
    build(net)
    net.plug()
    for number in (1, 2):
        sh(
            net.boxes[f"node{number}"],
            f"ip addr add 10.0.0.1{number}/24 dev data0; ip link set lo up",
        )
    yield net
    program_host_of(net).remove(net.context.hosts["server2"], net.cluster.owner)


def program_host_of(net: Net) -> type[ProgramSwitch]:
    adapter = net.cluster.settings.switch
    assert isinstance(adapter, ProgramSwitch)
    return type(adapter)


def build(net: Net) -> list[str]:
    lines = net.build()
    ports, owner = net.cluster.switch_ports(MTU), net.cluster.owner
    done = net.task("server2", switch, adapter=SWITCH, ports=ports, owner=owner)
    return lines + [line for line in done.diff.splitlines() if done.changed]


def line(process) -> str:
    text = b""
    while not text.endswith(b"\n"):
        block = process.read(1000)
        assert block, process.stderr_tail()
        text += block
    return text.decode().strip()


def arrived(net: Net) -> int:
    """Send by TCP from the first guest to the second, and return how many bytes arrived."""
    one, two = net.boxes["node1"], net.boxes["node2"]
    with closing(two.start(["python3", "-c", _SERVE])) as server:
        assert line(server) == "listens"
        one.run(["python3", "-c", _SEND, str(BYTES)])
        return int(line(server))


def test_much_data_passes_the_program(net):
    """Each frame is whole: one that is larger, or lacks its checksum, would end the connection."""
    before = counted(net.boxes["server2"])
    assert arrived(net) == BYTES
    assert counted(net.boxes["server2"]) - before >= BYTES


def counted(server: LocalShell) -> int:
    """Return how many bytes went to the second guest by its port."""
    (link,) = json.loads(server.run(["ip", "-j", "-s", "link", "show", "fsv42"]).stdout)
    return int(link["stats64"]["tx"]["bytes"])


def test_every_check_passes_and_a_second_build_changes_nothing(net):
    assert build(net) == []
    for name in (name for probe in PROBES for name in probe.checks):
        assert [(check.measured, check.cause) for check in net.failed(name)] == []


def test_a_killed_program_is_named_and_a_build_brings_it_back(net):
    (program,) = program_host.programs(net.context.hosts["server2"])
    net.boxes["server2"].run(["kill", "-KILL", str(program.pid)])
    (check,) = net.failed("server.switch")
    assert "was killed by signal 9" in check.measured
    assert len(build(net)) == 1
    assert net.failed("server.switch") == []
    assert arrived(net) == BYTES


def test_a_far_end_that_was_made_anew_reaches_the_program_after_a_build(net):
    sh(net.boxes["server2"], "ip link del fsx41")
    (check,) = net.failed("server.switch")
    assert "fsx41" in check.measured
    assert any("started anew" in line for line in build(net))
    assert arrived(net) == BYTES


def test_a_teardown_ends_it_without_a_site(net):
    (line,) = net.task("server2", switch_remove, owner=net.cluster.owner).diff.splitlines()
    assert line == "- switch program switch.py"
    assert program_host.programs(net.context.hosts["server2"]) == ()
    assert [line for line in build(net) if "program" in line] == ["+ program switch.py (2 ports)"]
