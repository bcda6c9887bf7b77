"""What the plan of bridges decides, one row a case."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, ip_address

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.errors import ForeignObjectError
from farswitch.links.plan import plan, plan_removal
from farswitch.links.wanted import wanted_bridges
from farswitch.model.cluster import Cluster
from farswitch.model.links import Bridge
from farswitch.model.machines import Guest, Server
from farswitch.model.owner import Owner
from farswitch.model.settings import Settings

GROUP = 0x46000029
OWNER = Owner("lab", 41)
WANT = Bridge(
    "fsb41", 1450, alias="farswitch:lab:node1", altname="farswitch-lab-node1-bridge", group=GROUP
)
HAVE = Link(
    index=5,
    name="fsb41",
    kind="bridge",
    mtu=1450,
    group=GROUP,
    alias="farswitch:lab:node1",
    altnames=("farswitch-lab-node1-bridge",),
    arp=False,
    link_local=False,
)
ADDED = "+ bridge fsb41 (farswitch:lab:node1) mtu 1450"
REMOVED = "- bridge fsb41 (farswitch:lab:node1)"
GATEWAY = IPv4Interface("10.10.0.1/24")


def changed(attribute: str, found: object, wanted: object) -> list[str]:
    return [f"~ bridge fsb41 {attribute} {found} -> {wanted}"]


@pytest.mark.parametrize(
    ("have", "want", "lines"),
    [
        pytest.param([], [WANT], [ADDED], id="absent-is-added"),
        pytest.param([HAVE], [WANT], [], id="same-is-left-alone"),
        pytest.param(
            [replace(HAVE, mtu=1500)], [WANT], changed("mtu", 1500, 1450), id="mtu-is-corrected"
        ),
        pytest.param(
            [replace(HAVE, up=False)], [WANT], changed("up", False, True), id="down-is-brought-up"
        ),
        pytest.param(
            [replace(HAVE, stp=True)], [WANT], changed("stp", True, False), id="stp-is-turned-off"
        ),
        pytest.param(
            [replace(HAVE, group=0)], [WANT], changed("group", 0, GROUP), id="group-is-corrected"
        ),
        pytest.param(
            [replace(HAVE, alias="")],
            [WANT],
            changed("alias", "", "farswitch:lab:node1"),
            id="half-made-is-finished",
        ),
        pytest.param(
            [replace(HAVE, arp=True)], [WANT], changed("arp", True, False), id="it-is-made-mute"
        ),
        pytest.param(
            [HAVE],
            [replace(WANT, address=GATEWAY)],
            changed("address", "none", "10.10.0.1/24"),
            id="missing-address-is-added",
        ),
        pytest.param(
            [replace(HAVE, addresses=(GATEWAY, IPv4Interface("10.10.0.9/24")))],
            [replace(WANT, address=GATEWAY)],
            [],
            id="another-address-is-left-alone",
        ),
        pytest.param(
            [replace(HAVE, altnames=(*HAVE.altnames, "admin"))],
            [WANT],
            [],
            id="another-altname-is-left-alone",
        ),
        pytest.param([HAVE], [], [REMOVED], id="stale-is-removed"),
        pytest.param(
            [Link(9, "fsv41", kind="vxlan", group=GROUP, alias="farswitch:lab:node1")],
            [WANT],
            [ADDED],
            id="our-tunnel-is-not-this-plans-business",
        ),
        pytest.param([Link(9, "br0", kind="bridge"), HAVE], [WANT], [], id="theirs-is-left-alone"),
    ],
)
def test_plan(have, want, lines):
    assert [
        str(change) for change in plan(have, want, OWNER, kind="bridge", server="server1")
    ] == lines


@pytest.mark.parametrize(
    "have",
    [
        pytest.param(Link(9, "fsb41", kind="bridge"), id="same-name-without-mark"),
        pytest.param(Link(9, "fsb41", kind="veth", group=GROUP), id="ours-of-another-kind"),
        pytest.param(
            replace(HAVE, alias="farswitch:other:node1"), id="another-cluster-in-the-same-group"
        ),
        pytest.param(
            replace(HAVE, group=7, alias="farswitch:lab2:node1"), id="a-cluster-with-a-longer-name"
        ),
        pytest.param(Link(9, "br0", altnames=("fsb41",)), id="our-name-is-their-altname"),
        pytest.param(
            Link(9, "br0", altnames=("farswitch-lab-node1-bridge",)), id="our-altname-is-taken"
        ),
    ],
)
def test_foreign_is_refused(have):
    with pytest.raises(ForeignObjectError) as caught:
        plan([have], [WANT], OWNER, kind="bridge", server="server1")
    assert caught.value.server == "server1"


@pytest.mark.parametrize(
    ("have", "lines"),
    [
        pytest.param([HAVE], [REMOVED], id="present-is-removed"),
        pytest.param([], [], id="absent-stays-absent"),
        pytest.param([Link(9, "fsb41", kind="bridge")], [], id="foreign-is-left-alone"),
        pytest.param([replace(HAVE, group=0)], [REMOVED], id="the-alias-alone-marks-it-as-ours"),
        pytest.param(
            [replace(HAVE, alias="")], ["- bridge fsb41 ()"], id="the-group-alone-marks-it-too"
        ),
    ],
)
def test_plan_of_a_removal(have, lines):
    changes = plan(have, [WANT], OWNER, kind="bridge", server="server1", present=False)
    assert [str(change) for change in changes] == lines


def test_removal_of_all_takes_bridges_and_tunnels_and_no_taps():
    tunnel = replace(HAVE, name="fsv41", kind="vxlan")
    tap = Link(7, "fsd41", kind="tun", master="fsb41")
    changes = plan_removal([HAVE, tunnel, tap], OWNER)
    assert [change.link.name for change in changes] == ["fsb41", "fsv41"]


def test_each_server_has_the_bridges_of_its_role():
    settings = Settings(cluster="lab")
    servers = [
        Server(name, role, name, ip_address(f"198.51.100.{last}"))
        for name, role, last in [
            ("server1", "hypervisor", 11),
            ("server3", "hypervisor", 13),
            ("server2", "switch", 12),
        ]
    ]
    guests = (Guest("a", 1, "server1", settings), Guest("b", 2, "server3", settings))
    cluster = Cluster(settings, tuple(servers[:2]), servers[2], guests)
    names = {
        server.name: [one.name for one in wanted_bridges(cluster, server, mtu=8950)]
        for server in cluster.servers
    }
    assert names == {
        "server1": ["fsg41", "fsb41"],
        "server3": ["fsg41", "fsb42"],
        "server2": ["fss41"],
    }
    management, data = wanted_bridges(cluster, servers[0], mtu=8950)
    assert (management.mtu, management.arp, str(management.address)) == (1500, True, "10.10.0.1/24")
    assert (data.mtu, data.arp, data.address) == (8950, False, None)


def test_what_a_bridge_does_not_name_follows_from_its_owner():
    (added,) = plan([], [Bridge("br-data")], Owner("mine"), kind="bridge", server="server1")
    assert str(added) == "+ bridge br-data (farswitch:mine:br-data) mtu 1500"
    assert added.want.group == Owner("mine").link_group
    assert added.want.altname == "farswitch-mine-br-data-bridge"


@pytest.mark.parametrize(
    ("group", "lines"),
    [
        pytest.param(
            Owner("mine").link_group,
            ["~ bridge br-data alias  -> farswitch:mine:br-data"],
            id="half-made-is-finished",
        ),
        pytest.param(0, None, id="without-the-mark-it-is-somebody-elses"),
    ],
)
def test_a_name_without_our_prefix_is_ours_by_the_group(group, lines):
    have = replace(
        HAVE, name="br-data", group=group, alias="", mtu=1500,
        altnames=("farswitch-mine-br-data-bridge",),
    )  # fmt: skip
    want = [Bridge("br-data")]
    if lines is None:
        with pytest.raises(ForeignObjectError):
            plan([have], want, Owner("mine"), kind="bridge", server="server1")
    else:
        changes = plan([have], want, Owner("mine"), kind="bridge", server="server1")
        assert [str(change) for change in changes] == lines
