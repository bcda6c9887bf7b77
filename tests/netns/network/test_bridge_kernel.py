"""Bridges on a real kernel, read back with iproute2."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.errors import ForeignObjectError
from tasks.bridge import bridge

OLD_ALTNAME = "farswitch-t-node1-bridge"
pytestmark = pytest.mark.root


def test_every_bridge_bears_our_mark_and_is_mute(two_servers):
    lab = two_servers(guests=2)
    assert lab.run("server1", bridge, mtu=1450).count == 3
    for name, what in (("fsb41", "node1-bridge"), ("fsb42", "node2-bridge")):
        link = lab.link("server1", name)
        assert link["group"] == str(lab.cluster.owner.link_group)
        assert link["ifalias"] == f"farswitch:t:{what.removesuffix('-bridge')}"
        assert link["altnames"] == [f"farswitch-t-{what}"]
        assert link["mtu"] == 1450
        assert {"UP", "NOARP"} <= set(link["flags"])
        assert link["inet6_addr_gen_mode"] == "none"
        data = link["linkinfo"]["info_data"]
        assert (data["stp_state"], data["forward_delay"]) == (0, 0)
        assert lab.ip("server1", "addr", "show", "dev", name)[0]["addr_info"] == []
    (address,) = lab.ip("server1", "addr", "show", "dev", "fsg41")[0]["addr_info"]
    assert (address["local"], address["prefixlen"]) == ("10.10.0.1", 24)
    assert lab.link("server1", "fsg41")["mtu"] == 1500


def test_the_switch_has_one_bridge(two_servers):
    lab = two_servers(guests=3)
    lab.run("server2", bridge, mtu=1450)
    assert lab.links("server2") == ["fss41", "lo", "u0"]


def test_second_run_changes_nothing_and_asks_the_kernel_for_no_change(two_servers, watch):
    lab = two_servers(guests=2)
    lab.run("server1", bridge, mtu=1450)
    with watch(lab.namespaces["server1"]) as seen:
        again = lab.run("server1", bridge, mtu=1450)
        lines = seen()
    assert (again.changed, again.count, again.diff) == (False, 0, "")
    assert lines == []


def test_dry_run_reports_and_does_not_touch(two_servers):
    lab = two_servers(guests=1)
    before = lab.ip("server1", "-d", "link")
    planned = lab.run("server1", bridge, mtu=1450, dry_run=True)
    assert planned.changed
    assert planned.diff.splitlines() == [
        "+ bridge fsg41 (farswitch:t:management) mtu 1500",
        "+ bridge fsb41 (farswitch:t:node1) mtu 1450",
    ]
    assert lab.ip("server1", "-d", "link") == before


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        (["mtu", "1400"], "mtu"),
        (["down"], "up"),
        (["alias", "farswitch:t:somebody"], "alias"),
        (["group", "7"], "group"),
        (["arp", "on"], "arp"),
        (["addrgenmode", "eui64"], "link_local"),
        (["type", "bridge", "stp_state", "1"], "stp"),
        (["type", "bridge", "forward_delay", "400"], "forward_delay"),
        (["property", "altname"], "altname"),
    ],
)
def test_what_was_changed_is_corrected_in_place(two_servers, change, attribute):
    lab = two_servers(guests=1)
    lab.run("server1", bridge, mtu=1450)
    right = lab.link("server1", "fsb41")
    if attribute == "altname":
        lab.ip(
            "server1", "link", "property", "del", "dev", "fsb41", "altname", right["altnames"][0]
        )
    else:
        lab.ip("server1", "link", "set", "dev", "fsb41", *change)
    repaired = lab.run("server1", bridge, mtu=1450)
    # The kernel raises the forward delay of a bridge whose STP is turned on.
    assert repaired.count == (2 if attribute == "stp" else 1)
    assert f"fsb41 {attribute} " in repaired.diff
    link = lab.link("server1", "fsb41")
    assert (link["ifindex"], link["mtu"]) == (right["ifindex"], right["mtu"])
    assert {"UP", "NOARP"} <= set(link["flags"])
    assert lab.run("server1", bridge, mtu=1450).count == 0


def test_the_mtu_stays_when_ports_come_and_go(two_servers):
    lab = two_servers(guests=1, mtu=9000)
    lab.run("server1", bridge, mtu=8950)
    lab.ip("server1", "link", "add", "p0", "type", "veth", "peer", "p1")
    lab.ip("server1", "link", "set", "p0", "master", "fsb41")
    assert lab.link("server1", "fsb41")["mtu"] == 8950
    lab.ip("server1", "link", "del", "p0")
    assert lab.link("server1", "fsb41")["mtu"] == 8950


def test_a_foreign_bridge_is_refused_and_nothing_is_touched(two_servers):
    lab = two_servers(guests=2)
    lab.ip("server1", "link", "add", "fsb42", "type", "bridge")
    before = lab.ip("server1", "-d", "link")
    with pytest.raises(ForeignObjectError, match="'fsb42' on server 'server1'"):
        lab.run("server1", bridge, mtu=1450)
    assert lab.ip("server1", "-d", "link") == before


def test_removal_leaves_the_server_as_before(two_servers):
    lab = two_servers(guests=2)
    lab.ip("server1", "link", "add", "theirs", "type", "bridge")
    before = [lab.ip("server1", "link"), lab.ip("server1", "addr"), lab.ip("server1", "route")]
    lab.run("server1", bridge, mtu=1450)
    assert lab.run("server1", bridge, mtu=1450, present=False).count == 3
    after = [lab.ip("server1", "link"), lab.ip("server1", "addr"), lab.ip("server1", "route")]
    assert after == before
    assert lab.run("server1", bridge, mtu=1450, present=False).count == 0


def test_a_cluster_with_the_same_vnis_is_not_taken_over(two_servers):
    lab = two_servers(guests=1)
    lab.run("server2", bridge, mtu=1450)
    rival = replace(
        lab.cluster, settings=lab.cluster.settings.model_copy(update={"cluster": "other"})
    )
    before = lab.ip("server2", "link")
    with pytest.raises(ForeignObjectError):
        lab.run("server2", bridge, cluster=rival, mtu=1450)
    assert lab.run("server2", bridge, cluster=rival, mtu=1450, present=False).count == 0
    assert lab.ip("server2", "link") == before
