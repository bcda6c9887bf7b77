"""Many requests in one datagram: as good as one by one, also where the kernel refuses some."""

from __future__ import annotations

import pytest

from farswitch.connections.netlink.batch import RefusedError
from farswitch.connections.netlink.edit_links import LinkError
from farswitch.connections.netlink.links import dump
from farswitch.links.apply import apply
from farswitch.links.plan import plan
from farswitch.links.wanted import wanted_bridges
from tasks.bridge import bridge
from tasks.vxlan import vxlan

pytestmark = pytest.mark.root
MTU = 1450


@pytest.mark.parametrize("remote", [False, True], ids=["local", "relay"])
def test_more_than_one_datagram_of_them_ends_as_wanted(two_servers, remote):
    lab = two_servers(guests=70)
    lab.remote = remote
    assert lab.build((bridge, vxlan), mtu=MTU) == 71 + 70 + 1 + 70
    assert lab.build((bridge, vxlan), mtu=MTU) == 0
    assert lab.link("server1", "fsb110")["ifalias"] == "farswitch:t:node70"


def test_an_interface_that_came_since_the_look_keeps_all_that_it_has(two_servers):
    lab = two_servers(guests=3)
    server = lab.cluster.server("server1")
    want = wanted_bridges(lab.cluster, server, mtu=MTU)
    with lab.endpoint("server1").session() as ipr:
        have = dump(ipr)
        changes = plan(have, want, lab.cluster.owner, kind="bridge", server="server1")
        lab.ip("server1", "link", "add", "fsb42", "mtu", "1300", "type", "bridge")
        theirs = lab.link("server1", "fsb42")
        with pytest.raises(RefusedError):
            apply(ipr, have, changes, singly=False)
    assert lab.link("server1", "fsb42") == theirs


def test_the_first_that_is_refused_is_named(two_servers):
    lab = two_servers(guests=3)
    lab.run("server2", bridge, mtu=MTU)
    lab.ip("server2", "link", "set", "u0", "mtu", "1499")
    with pytest.raises(LinkError, match="'fsv41' cannot be given MTU 1450"):
        lab.run("server2", vxlan, mtu=MTU, device="u0")
