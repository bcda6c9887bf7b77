"""Tasks that are given an observation of their server, true or outdated, on a real kernel."""

from __future__ import annotations

import pytest

from farswitch.connections.netlink.links import dump
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.links_remove import links_remove
from tasks.mtu import mtu
from tasks.vxlan import vxlan

pytestmark = pytest.mark.root
MTU = 1450
TASKS = (bridge, vxlan, bridge_ports, mtu)


def observe(lab, server="server1"):
    with lab.endpoint(server).session() as ipr:
        return dump(ipr)


def cut_off(lab):
    """Let every further session with a server fail."""

    def refuse(server):
        raise AssertionError(f"a session with {server}")

    class Endpoint:
        session = refuse

    lab.endpoint = lambda _server: Endpoint()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_where_all_is_as_wanted_an_observation_is_enough(two_servers, task):
    lab = two_servers(guests=2)
    lab.build((bridge, vxlan), mtu=MTU)
    have = observe(lab)
    cut_off(lab)
    done = lab.run("server1", task, mtu=MTU, have=have)
    assert (done.changed, done.count, done.diff) == (False, 0, "")


def test_a_dry_run_needs_no_more_than_an_observation(two_servers):
    lab = two_servers(guests=1)
    lab.build((bridge, vxlan), mtu=MTU)
    have = observe(lab)
    cut_off(lab)
    done = lab.run("server1", links_remove, have=have, dry_run=True)
    assert sorted(line.split()[2] for line in done.diff.splitlines()) == ["fsb41", "fsg41", "fsv41"]


def test_what_was_made_since_the_observation_is_not_made_twice(two_servers, watch):
    lab = two_servers(guests=2)
    outdated = observe(lab)
    lab.build((bridge, vxlan), mtu=MTU)
    lab.settle("server1", "fsb41", "fsb42")
    with watch(lab.namespaces["server1"]) as seen:
        for task in TASKS:
            assert lab.run("server1", task, mtu=MTU, have=outdated).count == 0
        assert seen() == []


def test_one_observation_serves_a_whole_build(two_servers):
    lab = two_servers(guests=2)
    before = {server: observe(lab, server) for server in lab.namespaces}
    for server, have in before.items():
        for task in TASKS:
            lab.run(server, task, mtu=MTU, have=have)
    assert lab.build((bridge, vxlan), mtu=MTU) == 0
    assert lab.link("server1", "fsv41")["master"] == "fsb41"


def test_a_removal_takes_what_was_made_since_the_observation(two_servers):
    lab = two_servers(guests=1)
    lab.run("server1", bridge, mtu=MTU)
    outdated = observe(lab)
    lab.run("server1", vxlan, mtu=MTU)
    assert lab.run("server1", links_remove, have=outdated).count == 3
    assert lab.links("server1") == ["lo", "u0"]
