"""What the plan of tunnels decides, one row a case."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.links.plan import plan
from farswitch.links.wanted import wanted_tunnels
from farswitch.model.cluster import Cluster
from farswitch.model.links import Tunnel, VxlanAttrs
from farswitch.model.machines import Guest, Server
from farswitch.model.owner import Owner
from farswitch.model.settings import Settings

GROUP = 0x46000029
OWNER = Owner("lab", 41)
ENDS = VxlanAttrs(41, ip_address("198.51.100.12"), ip_address("198.51.100.11"), 4789, "eth1")
WANT = Tunnel(
    name="fsv41",
    vni=41,
    local="198.51.100.12",
    remote="198.51.100.11",
    master="fss41",
    mtu=1450,
    device="eth1",
    alias="farswitch:lab:node1",
    altname="farswitch-lab-node1-tunnel",
)
HAVE = Link(
    index=6,
    name="fsv41",
    kind="vxlan",
    mtu=1450,
    group=GROUP,
    alias="farswitch:lab:node1",
    altnames=("farswitch-lab-node1-tunnel",),
    master="fss41",
    link_local=False,
    vxlan=ENDS,
)
ELSEWHERE = ip_address("198.51.100.99")


def replaced(attribute: str, found: object, wanted: object) -> list[str]:
    return [f"~ vxlan fsv41 made anew: {attribute} {found} -> {wanted}"]


def changed(attribute: str, found: object, wanted: object) -> list[str]:
    return [f"~ vxlan fsv41 {attribute} {found} -> {wanted}"]


@pytest.mark.parametrize(
    ("have", "lines"),
    [
        pytest.param([], ["+ vxlan fsv41 (farswitch:lab:node1) mtu 1450"], id="absent-is-added"),
        pytest.param([HAVE], [], id="same-is-left-alone"),
        pytest.param([replace(HAVE, mtu=1400)], changed("mtu", 1400, 1450), id="mtu-is-corrected"),
        pytest.param(
            [replace(HAVE, master=None)],
            changed("master", None, "fss41"),
            id="it-is-enslaved-again",
        ),
        pytest.param(
            [replace(HAVE, link_local=True)],
            changed("link_local", True, False),
            id="it-is-made-mute",
        ),
        pytest.param(
            [replace(HAVE, vxlan=replace(ENDS, remote=ELSEWHERE))],
            replaced("remote", ELSEWHERE, ENDS.remote),
            id="other-remote-is-replaced",
        ),
        pytest.param(
            [replace(HAVE, vxlan=replace(ENDS, local=ELSEWHERE))],
            replaced("local", ELSEWHERE, ENDS.local),
            id="other-local-is-replaced",
        ),
        pytest.param(
            [replace(HAVE, vxlan=replace(ENDS, vni=99))],
            replaced("vni", 99, ENDS.vni),
            id="other-vni-is-replaced",
        ),
        pytest.param(
            [replace(HAVE, vxlan=replace(ENDS, port=8472))],
            replaced("port", 8472, ENDS.port),
            id="other-port-is-replaced",
        ),
        pytest.param(
            [replace(HAVE, vxlan=replace(ENDS, device=None))],
            replaced("device", None, ENDS.device),
            id="no-device-is-replaced",
        ),
        pytest.param(
            [replace(HAVE, vxlan=replace(ENDS, learning=True))],
            replaced("learning", True, False),
            id="one-that-learns-is-replaced",
        ),
        pytest.param(
            [HAVE, replace(HAVE, index=7, name="fsv42", vxlan=replace(ENDS, vni=42))],
            ["- vxlan fsv42 (farswitch:lab:node1)"],
            id="stale-is-removed",
        ),
    ],
)
def test_plan(have, lines):
    assert [
        str(change) for change in plan(have, [WANT], OWNER, kind="vxlan", server="server2")
    ] == lines


@pytest.mark.parametrize(
    "have",
    [
        pytest.param(replace(HAVE, group=0, alias=""), id="same-name-without-mark"),
        pytest.param(Link(9, "vx0", kind="vxlan", vxlan=ENDS), id="same-vni-under-another-name"),
    ],
)
def test_foreign_is_refused(have):
    with pytest.raises(ForeignObjectError):
        plan([have], [WANT], OWNER, kind="vxlan", server="server2")


def test_same_vni_on_another_udp_port_is_no_clash():
    theirs = Link(9, "vx0", kind="vxlan", vxlan=replace(ENDS, port=8472))
    assert plan([HAVE, theirs], [WANT], OWNER, kind="vxlan", server="server2") == []


@pytest.mark.parametrize(
    ("have", "lines"),
    [
        pytest.param([HAVE], ["- vxlan fsv41 (farswitch:lab:node1)"], id="present-is-removed"),
        pytest.param([], [], id="absent-stays-absent"),
    ],
)
def test_plan_of_a_removal(have, lines):
    changes = plan(have, [WANT], OWNER, kind="vxlan", server="server2", present=False)
    assert [str(change) for change in changes] == lines


def test_a_port_of_the_switch_leads_to_its_guests_hypervisor():
    settings = Settings(cluster="lab")
    one = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
    three = Server("server3", "hypervisor", "server3", ip_address("198.51.100.13"))
    switch = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
    guests = (Guest("a", 1, "server1", settings), Guest("b", 2, "server3", settings))
    cluster = Cluster(settings, (one, three), switch, guests)
    ports = wanted_tunnels(cluster, switch, device="eth1", mtu=1450)
    assert [(port.name, port.vxlan.remote, port.master) for port in ports] == [
        ("fsv41", one.underlay, "fss41"),
        ("fsv42", three.underlay, "fss41"),
    ]
    (end,) = wanted_tunnels(cluster, three, device="eth1", mtu=1450)
    assert (end.vxlan.vni, end.vxlan.local, end.vxlan.remote, end.master) == (
        42,
        three.underlay,
        switch.underlay,
        "fsb42",
    )


def test_what_a_tunnel_does_not_name_follows_from_its_owner_and_its_local_address():
    underlay = Link(3, "eth1", addresses=(ip_interface("198.51.100.12/24"),))
    tunnel = Tunnel("vx7", 7, local="198.51.100.12", remote="198.51.100.11", master="br-data")
    (added,) = plan([underlay], [tunnel], Owner("mine"), kind="vxlan", server="server2")
    assert (added.want.alias, added.want.altname, added.want.group, added.want.vxlan) == (
        "farswitch:mine:vx7",
        "farswitch-mine-vx7-tunnel",
        Owner("mine").link_group,
        replace(ENDS, vni=7),
    )


def test_a_tunnel_from_an_address_of_nobody_is_an_error():
    tunnel = Tunnel("vx7", 7, local="198.51.100.12", remote="198.51.100.11", master="br-data")
    with pytest.raises(
        FarswitchError, match=r"198\.51\.100\.12 of tunnel 'vx7' is on no"
    ) as caught:
        plan([], [tunnel], Owner("mine"), kind="vxlan", server="server2")
    assert caught.value.hint
