"""The MTU of every hop, and facts of the underlay, on a real kernel."""

from __future__ import annotations

import pytest

from farswitch.errors import FarswitchError
from farswitch.links.mtu import derive
from tasks.bridge import bridge
from tasks.mtu import mtu
from tasks.vxlan import vxlan

pytestmark = pytest.mark.root
TASKS = (bridge, vxlan)


@pytest.mark.parametrize(
    ("v6", "device_mtu", "wanted"), [(False, 1500, 1450), (False, 9000, 8950), (True, 1500, 1430)]
)
def test_what_is_derived_is_what_the_kernel_takes(two_servers, v6, device_mtu, wanted):
    lab = two_servers(guests=1, v6=v6, mtu=device_mtu)
    found = [lab.underlay(name) for name in lab.namespaces]
    assert [(one.device, one.source) for one in found] == [
        ("u0", server.underlay) for server in lab.cluster.servers
    ]
    assert derive(None, found) == wanted
    lab.build(TASKS, mtu=wanted)
    assert lab.link("server1", "fsv41")["mtu"] == wanted
    assert lab.run("server1", mtu, mtu=wanted).count == 0


def test_the_narrower_server_decides(two_servers):
    lab = two_servers(guests=1, mtu=9000)
    lab.ip("server2", "link", "set", "u0", "mtu", "4000")
    assert derive(None, [lab.underlay(name) for name in lab.namespaces]) == 3950


def test_a_route_with_an_mtu_of_its_own_counts(two_servers):
    lab = two_servers(guests=1, mtu=9000)
    lab.ip("server1", "route", "add", "198.51.100.12", "dev", "u0", "mtu", "1400")
    assert lab.underlay("server1").mtu == 1400


def test_no_route_to_the_peer_is_an_error_with_a_hint(two_servers):
    lab = two_servers(guests=1)
    lab.ip("server1", "route", "add", "unreachable", "198.51.100.12")
    with pytest.raises(FarswitchError, match=r"no route to .*198\.51\.100\.12.*server2") as caught:
        lab.underlay("server1")
    assert caught.value.hint


def test_every_hop_that_is_wrong_is_set_and_read_back(two_servers):
    lab = two_servers(guests=2)
    lab.build(TASKS, mtu=1450)
    lab.plug(lab.cluster.guests[0], mtu=1500)
    for name in ("fsv41", "fsb41"):
        lab.ip("server1", "link", "set", name, "mtu", "1300")
    planned = lab.run("server1", mtu, mtu=1450, dry_run=True)
    assert lab.link("server1", "fsv41")["mtu"] == 1300
    done = lab.run("server1", mtu, mtu=1450)
    assert planned.diff == done.diff
    assert sorted(done.diff.splitlines()) == [
        "~ fsb41 mtu 1300 -> 1450",
        "~ fsd41 mtu 1500 -> 1450",
        "~ fsv41 mtu 1300 -> 1450",
    ]
    for name in ("fsv41", "fsd41", "fsb41", "fsv42", "fsb42"):
        assert lab.link("server1", name)["mtu"] == 1450
    assert lab.run("server1", mtu, mtu=1450).count == 0


def test_removal_has_nothing_to_do(two_servers):
    lab = two_servers(guests=1)
    assert lab.run("server1", mtu, mtu=1450, present=False).count == 0


def test_a_missing_hop_is_named(two_servers):
    lab = two_servers(guests=1)
    lab.run("server1", bridge, mtu=1450)
    assert lab.run("server1", mtu, mtu=1450, dry_run=True).count == 0
    with pytest.raises(FarswitchError, match="missing on 'server1': fsv41"):
        lab.run("server1", mtu, mtu=1450)
