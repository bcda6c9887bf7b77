"""The Open vSwitch of server2 is the lab's own, found by its programs as on any server."""

from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container, control, ready
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lab.run import run
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import compare, observe, settle
from tests.netns.own_openvswitch import needs_openvswitch

pytestmark = [pytest.mark.root, needs_openvswitch]
OF_THE_MACHINE = ("/run/openvswitch", "/var/lib/openvswitch", "/etc/openvswitch")


def over_ssh(lab: Lab, *words: str) -> str:
    return run([*ready.ssh_argv(lab, MEMBERS[1]), *words]).strip()


def test_it_takes_super_packets_and_keeps_its_rows_over_a_restart(lab):
    wish = ("ovs-vsctl", "get", "Open_vSwitch", ".", "other_config:userspace-tso-enable")
    assert over_ssh(lab, *wish) == '"true"'
    over_ssh(lab, "ovs-vsctl add-br mine -- set Bridge mine datapath_type=netdev")
    control.restart("server2", lab)
    assert over_ssh(lab, "ovs-vsctl", "list-br") == "mine"
    over_ssh(lab, "ovs-vsctl", "del-br", "mine")
    assert over_ssh(lab, *wish) == '"true"'


def test_a_daemon_that_is_killed_is_started_again(lab):
    pid = container.find(lab)["server2"]
    over_ssh(lab, "kill -9 $(cat /run/openvswitch/ovs-vswitchd.pid)")
    wait_until(lambda: ready.runs_openvswitch(pid), Deadline(20), what="Its second start")


def test_a_site_that_it_cannot_carry_is_refused_before_anything_is_touched(lab, tmp_path):
    cluster = ClusterUnderTest("fsov", 5401, "10.98.2", "10.99.2", lab, tmp_path, size=2)
    cluster.write_site('switch: {openvswitch: {datapath: netdev, flows: ["in_port=1"]}}')
    settle(lab)
    before = observe(lab)
    for command in (("preflight",), ("build", "--dry-run"), ("build",)):
        refused = cluster.run(*command)
        assert refused.status == 2
        assert "'server2' does not take the site's flows, number 1: " in refused.errors
    assert compare(before, observe(lab)) == []


def test_nothing_of_it_is_the_machines(own_lab):
    control.down(own_lab)

    def of_the_machine() -> list[Path]:
        return [path for name in OF_THE_MACHINE for path in sorted(Path(name).glob("**/*"))]

    before = of_the_machine()
    control.up(own_lab)
    over_ssh(own_lab, "ovs-vsctl", "add-br", "mine")
    assert of_the_machine() == before
    assert not Path("/sys/class/net/mine").exists()
    control.down(own_lab)
    assert of_the_machine() == before
