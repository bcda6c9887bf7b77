"""Open vSwitch holds the tunnels: a daemon of the test's own, and a kernel's real interfaces."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from farswitch.connections.shell.protocol import Process
from farswitch.errors import FarswitchError, ForeignObjectError, ObstaclesError
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch
from farswitch.remote import command
from farswitch.switches import openvswitch
from farswitch.switches.openvswitch import OpenVSwitch
from tasks.switch import switch
from tasks.switch_remove import switch_remove
from tests.netns.built_servers import MTU, Net, sh, two_servers
from tests.netns.own_openvswitch import OwnOpenVSwitch, needs_openvswitch, own_openvswitch

pytestmark = [pytest.mark.root, needs_openvswitch]
SUPER = OpenVSwitch(datapath="netdev", tso=True)
WHOLE = OpenVSwitch(datapath="netdev")
OTHER = Owner("other", 91)


_TAKE = """
import socket
door = socket.create_server(("0.0.0.0", 5001))
print("open", flush=True)
end, _ = door.accept()
print(sum(iter(lambda: len(end.recv(1 << 16)), 0)), flush=True)
"""
_GIVE = """
import socket, sys
with socket.create_connection((sys.argv[1], 5001), 5) as end:
    end.sendall(bytes(int(sys.argv[2])))
"""
BYTES = 4 << 20
_CONTROLLER = """
# Lets each bridge learn: the least that a controller says (OpenFlow 1.0, sections 5.3 and 5.5).
import socket, struct
door = socket.create_server(("127.0.0.1", 6653))
print("open", flush=True)
while True:
    end, _ = door.accept()
    end.sendall(struct.pack("!BBHI", 1, 0, 8, 1))
    match, action = struct.pack("!I36x", 0x3FFFFF), struct.pack("!HHHH", 0, 8, 0xFFFA, 0)
    flow = struct.pack("!QHHHHIHH", 0, 0, 0, 0, 1, 0xFFFFFFFF, 0xFFFF, 0)
    end.sendall(struct.pack("!BBHI", 1, 14, 80, 2) + match + flow + action)
    while head := end.recv(8, socket.MSG_WAITALL):
        _, kind, length, number = struct.unpack("!BBHI", head)
        body = end.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""
        if kind == 2:
            end.sendall(struct.pack("!BBHI", 1, 3, length, number) + body)
"""


def line(process: Process) -> str:
    return b"".join(iter(lambda: process.read(1), b"\n")).decode()


@dataclass
class Field:
    """Two servers with guests, and the Open vSwitch of the second."""

    net: Net
    ovs: OwnOpenVSwitch
    adapter: Switch

    @property
    def host(self):
        return self.net.context.hosts["server2"]

    def switch(self, adapter: Switch | None = None, **options: object) -> list[str]:
        ports = self.net.cluster.switch_ports(MTU)
        done = self.net.task(
            "server2", switch, adapter=adapter or self.adapter, ports=ports,
            owner=self.net.cluster.owner, **options,
        )  # fmt: skip
        return done.diff.splitlines()

    def remove(self) -> list[str]:
        return self.net.task(
            "server2", switch_remove, owner=self.net.cluster.owner
        ).diff.splitlines()

    def state(self, adapter: Switch | None = None):
        return (adapter or self.adapter).observe(self.host, self.net.cluster.owner)

    def pings(self, seconds: float = 5.0) -> bool:
        first, second = self.net.cluster.guests
        address = str(second.data_address.ip)
        argv = command("echo", str(seconds), address)
        return json.loads(self.net.boxes[first.name].run(argv).stdout) == [address]

    def silent(self) -> bool:
        return not self.pings(1.0)

    def carries_tcp(self) -> bool:
        """Return whether a stream crosses: where super packets are dropped, pings still pass."""
        first, second = self.net.cluster.guests
        taker = self.net.boxes[second.name].start(("python3", "-c", _TAKE))
        try:
            assert line(taker) == "open"
            address = str(second.data_address.ip)
            self.net.boxes[first.name].run(("python3", "-c", _GIVE, address, str(BYTES)), timeout=8)
            return int(line(taker)) == BYTES
        finally:
            taker.close()

    def links(self) -> set[str]:
        shown = json.loads(self.ovs.box.run(("ip", "-j", "link")).stdout)
        return {link["ifname"] for link in shown}


@pytest.fixture(scope="module")
def fields(lasting_boxes, tmp_path_factory):
    """Make one for an adapter, with the daemon that its settings want."""
    with ExitStack() as stack:

        def make(adapter: OpenVSwitch) -> Field:
            folder = tmp_path_factory.mktemp("ovs")
            net = two_servers(lasting_boxes, folder, apart=True, switch=adapter)
            net.build()
            net.plug()
            for guest in net.cluster.guests:
                sh(net.boxes[guest.name], f"ip addr add {guest.data_address} dev data0")
            ovs = stack.enter_context(own_openvswitch(net.boxes["server2"], tso=adapter.tso))
            return Field(net, ovs, adapter)

        yield make


@pytest.fixture(scope="module")
def made(fields):
    return fields(SUPER)


@pytest.fixture
def field(made):
    """The field of most tests, with its switch in place."""
    made.switch()
    assert made.pings()
    return made


def test_it_attaches_each_tunnel_and_forwards(made):
    assert made.silent()
    assert made.switch() == [
        "+ ovs bridge fso41 (farswitch:t) datapath netdev, standalone",
        "+ ovs port fsv41 (node1) of fso41",
        "+ ovs port fsv42 (node2) of fso41",
    ]
    assert made.pings()
    state = made.state()
    assert (state.held, state.fault, state.tso) == ({"fsv41", "fsv42"}, "", True)
    assert made.carries_tcp()


def test_another_tool_reads_the_marks_of_each_row(field):
    ovs = field.ovs
    assert ovs.ports("fso41") == ["fsv41", "fsv42"]
    for table in ("Bridge", "Port", "Interface"):
        assert ovs.ids(table, "fso41") == {"farswitch": "t"}
    index = (
        field.ovs.box.read("/proc/net/dev") and sh(ovs.box, "ip -o link show fsv41").split(":")[0]
    )
    assert ovs.ids("Port", "fsv41") == {"farswitch": "t:node1"}
    assert ovs.ids("Interface", "fsv41") == {"farswitch": "t:node1", "farswitch-ifindex": index}
    assert ovs.vsctl("get", "Interface", "fsv42", "ofport") == "2"
    assert ovs.vsctl("get", "Bridge", "fso41", "other_config:disable-in-band") == '"true"'
    assert ovs.vsctl("get", "Interface", "fsv41", "mtu_request") == "[]"


def test_a_second_run_changes_nothing(field):
    before = field.ovs.vsctl("get", "Open_vSwitch", ".", "next_cfg")
    assert field.switch() == []
    assert field.ovs.vsctl("get", "Open_vSwitch", ".", "next_cfg") == before


def test_it_says_where_an_address_is_and_what_it_runs(field):
    places = field.adapter.places(field.host, field.net.cluster.owner)
    assert {guest.data_mac: places.get(guest.data_mac) for guest in field.net.cluster.guests} == {
        guest.data_mac: guest.tunnel for guest in field.net.cluster.guests
    }
    said = field.adapter.describe(field.host, field.net.cluster.owner)
    assert said["version"][0].isdigit()
    assert (said["datapath"], said["userspace TSO"], said["flows"]) == ("netdev", "on", "1")


def test_a_tunnel_made_anew_is_silently_dead_and_is_attached_anew(field):
    sh(field.ovs.box, "ip link del fsv41")
    field.net.build()
    assert field.ovs.vsctl("get", "Interface", "fsv41", "ofport", "error") == "1\n[]"
    assert field.silent()
    state = field.state()
    assert state.held == {"fsv42"}
    assert state.fault == (
        "'fsv41' (node1) on 'server2' was made anew, and Open vSwitch holds the one that is gone."
    )
    assert field.switch() == ["~ ovs port fsv41 (node1) attached anew: the interface was made anew"]
    assert field.pings()


def test_a_missing_device_is_named_with_the_words_of_open_vswitch(field):
    sh(field.ovs.box, "ip link del fsv42")
    with pytest.raises(FarswitchError, match="does not hold fsv42"):
        field.switch()
    assert "does not hold 'fsv42' (node2): could not open network device" in field.state().fault
    field.net.build()
    field.switch()
    assert field.state().fault == ""
    assert field.pings()


def test_a_setting_that_somebody_changed_comes_back(field):
    field.ovs.vsctl("set", "Bridge", "fso41", "fail_mode=secure", "other_config={}")
    field.ovs.box.run(("ovs-ofctl", "add-flow", "fso41", "in_port=1,actions=drop"))
    assert field.silent()
    assert field.switch() == [
        "~ ovs bridge fso41 fail_mode secure -> standalone",
        "~ ovs bridge fso41 disable-in-band unset -> true",
        "~ ovs flows of fso41",
    ]
    assert field.pings()
    assert field.switch() == []


def test_flows_of_the_site_are_all_that_forwards(field):
    one_way = OpenVSwitch(datapath="netdev", tso=True, flows=["in_port=1,actions=output:2"])
    assert not one_way.traits.places
    assert field.switch(one_way) == [
        "~ ovs bridge fso41 fail_mode standalone -> secure",
        "~ ovs flows of fso41",
    ]
    assert field.silent()
    assert field.switch(one_way) == []
    both = ["in_port=1,actions=output:2", "in_port=2,actions=output:1"]
    field.switch(OpenVSwitch(datapath="netdev", tso=True, flows=both))
    assert field.pings()
    field.switch()


def test_flows_that_are_none_are_refused_before_anything_is_touched(field):
    wrong = OpenVSwitch(datapath="netdev", tso=True, flows=["in_port=1,actons=output:2"])
    with pytest.raises(ObstaclesError, match=r"does not take the site's flows, number 1: "):
        field.switch(wrong)
    assert field.pings()


def test_a_controller_that_does_not_answer_is_named(field, monkeypatch):
    monkeypatch.setattr(openvswitch, "CONNECTED", 0.1)
    adapter = OpenVSwitch(datapath="netdev", tso=True, controller="tcp:127.0.0.1:6653")
    assert "~ ovs bridge fso41 controller none -> tcp:127.0.0.1:6653" in field.switch(adapter)
    assert field.state(adapter).fault == (
        "Controller 'tcp:127.0.0.1:6653' of 'fso41' on 'server2' is not connected."
    )
    field.switch()
    assert field.pings()


def test_a_controller_of_the_sites_makes_the_flows(field):
    adapter = OpenVSwitch(datapath="netdev", tso=True, controller="tcp:127.0.0.1:6653")
    controller = field.ovs.box.start(("python3", "-c", _CONTROLLER))
    try:
        assert line(controller) == "open"
        field.switch(adapter)
        assert field.state(adapter).fault == ""
        assert field.pings()
        assert field.switch(adapter) == []
    finally:
        controller.close()
    field.switch()
    assert field.pings()


def test_a_daemon_without_userspace_tso_is_refused(field):
    field.ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "userspace-tso-enable")
    assert "runs without userspace TSO" in field.state().fault
    with pytest.raises(ObstaclesError, match="runs without userspace TSO"):
        field.switch()
    field.ovs.vsctl("set", "Open_vSwitch", ".", "other_config:userspace-tso-enable=true")
    assert field.switch() == []


def test_a_kernel_without_the_datapath_is_refused_and_not_left_half_done(field):
    system = OpenVSwitch()
    if field.state(system).obstacle is None:
        pytest.skip("this kernel has the datapath of Open vSwitch")
    with pytest.raises(ObstaclesError, match="has no datapath of Open vSwitch") as caught:
        field.switch(system)
    assert "modprobe openvswitch" in caught.value.hint
    assert field.pings()


def test_a_daemon_that_was_killed_is_named_and_keeps_its_rows(field):
    field.ovs.kill("ovs-vswitchd")
    state = field.state()
    assert state.fault.startswith("'ovs-vswitchd' does not run on 'server2': ")
    assert state.held == frozenset()
    with pytest.raises(ObstaclesError, match="does not run"):
        field.switch()
    with pytest.raises(FarswitchError, match="does not run") as caught:
        field.remove()
    assert "systemctl start openvswitch-switch" in caught.value.hint
    field.ovs.start("ovs-vswitchd", "unix:/run/openvswitch/db.sock")
    assert field.state().fault == ""
    assert field.pings()


def test_rows_of_a_stopped_daemon_are_found_in_its_file(field):
    found = OpenVSwitch.leftovers(field.host)
    field.ovs.kill()
    assert found == {"t": ["Open vSwitch bridge 'fso41'"]} == OpenVSwitch.leftovers(field.host)
    with pytest.raises(FarswitchError, match=r"The database of Open vSwitch .* does not answer"):
        field.remove()
    field.ovs.start_both()
    assert field.switch() == []


def test_a_bridge_without_our_mark_is_refused(field):
    field.ovs.vsctl("remove", "Bridge", "fso41", "external_ids", "farswitch")
    with pytest.raises(ForeignObjectError, match="Open vSwitch bridge 'fso41'"):
        field.switch()
    assert field.state().held == frozenset()
    assert field.remove() == [f"- switch Open vSwitch port 'fsv{vni}'" for vni in (41, 42)]
    assert field.ovs.vsctl("list-br") == "fso41"
    field.ovs.vsctl("set", "Bridge", "fso41", "external_ids:farswitch=t")
    field.switch()
    assert field.pings()


def test_a_tunnel_on_a_bridge_of_others_is_refused(field):
    field.ovs.vsctl("del-port", "fsv41", "--", "add-br", "theirs", "--", "set", "Bridge", "theirs",
                    "datapath_type=netdev", "--", "add-port", "theirs", "fsv41")  # fmt: skip
    with pytest.raises(ForeignObjectError, match="Open vSwitch port 'fsv41'"):
        field.switch()
    field.ovs.vsctl("del-br", "theirs")
    assert field.switch() == ["+ ovs port fsv41 (node1) of fso41"]
    assert field.pings()


def test_removal_leaves_no_row_and_no_interface_and_touches_nobody_elses(field):
    field.ovs.vsctl("add-br", "fso91", "--", "set", "Bridge", "fso91", "datapath_type=netdev",
                    "external_ids:farswitch=other")  # fmt: skip
    assert field.remove() == ["- switch Open vSwitch bridge 'fso41'"]
    assert field.remove() == []
    assert field.ovs.vsctl("list-br") == "fso91"
    OpenVSwitch.remove(field.host, OTHER)
    assert field.ovs.vsctl("list-br") == ""
    assert {"fso41", "fso91", "ovs-netdev"} & field.links() == set()
    for table in ("Bridge", "Port", "Interface"):
        assert field.ovs.vsctl("--columns=name", "list", table) == ""


def test_whole_frames_come_by_plain_ports(fields):
    field = fields(WHOLE)
    assert field.switch()[1:] == [
        "+ ovs port fsx41 (node1) of fso41",
        "+ ovs port fsx42 (node2) of fso41",
    ]
    assert field.pings()
    assert field.carries_tcp()
    assert field.state().held == {"fsx41", "fsx42"}
    assert field.switch() == []


def test_where_open_vswitch_is_not_installed_nothing_is_left_and_nothing_can_be_made(
    field, monkeypatch
):
    real = field.ovs.box.compose

    def without(argv, timeout=None):
        return real(("env", "PATH=/nowhere", "/usr/bin/" + argv[0], *argv[1:]), timeout)

    monkeypatch.setattr(field.ovs.box, "compose", without)
    assert OpenVSwitch.leftovers(field.host) == {}
    with pytest.raises(ObstaclesError, match="Open vSwitch is not installed on 'server2'"):
        field.switch()
