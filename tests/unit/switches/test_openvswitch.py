"""What Open vSwitch prints becomes values, and the plan of it is a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from farswitch.errors import FarswitchError, ForeignObjectError, Obstacle, ObstaclesError
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort, Traits, parse_switch, written
from farswitch.switches.openvswitch import OpenVSwitch, parse_places
from farswitch.switches.ovs_state import (
    OpenVSwitchState,
    OvsBridge,
    OvsPort,
    faults,
    parse_bridges,
    parse_tso,
)

OWNER = Owner("lab", 41)
PORTS = tuple(
    SwitchPort(at, f"node{at}", f"fsv4{at}", f"fsv4{at}", f"02:fa:00:00:00:2{at}", 40 + at, 1450)
    for at in (1, 2)
)
GOOD = OvsBridge(
    "fso41",
    mark="lab",
    datapath="netdev",
    fail_mode="standalone",
    ports=tuple(OvsPort(f"fsv4{at}", f"lab:node{at}", at, "", 10 + at) for at in (1, 2)),
)
HAVE = OpenVSwitchState(server="server2", links={"fsv41": 11, "fsv42": 12}, bridges=(GOOD,))
THEIRS = OvsBridge("br-ex", datapath="system", ports=(OvsPort("eth1", number=1),))
NEIGHBOUR = OvsBridge("fso91", mark="other", ports=(OvsPort("fsv91", "other:node1", 1, "", 9),))
ADAPTER = OpenVSwitch(datapath="netdev", tso=True)
LIKE_NEW = [
    "+ ovs bridge fso41 (farswitch:lab) datapath netdev, standalone",
    "+ ovs port fsv41 (node1) of fso41",
    "+ ovs port fsv42 (node2) of fso41",
]


def with_port(**changed) -> OpenVSwitchState:
    """Return the good state, but for the second port."""
    first, second = GOOD.ports
    return with_bridge(ports=(first, replace(second, **changed)))


def with_bridge(**changed) -> OpenVSwitchState:
    return replace(HAVE, bridges=(replace(GOOD, **changed),))


@pytest.mark.parametrize(
    ("have", "lines"),
    [
        (HAVE, []),
        (replace(HAVE, bridges=()), LIKE_NEW),
        (replace(HAVE, bridges=(THEIRS, NEIGHBOUR)), LIKE_NEW),
        (with_bridge(ports=GOOD.ports[:1]), ["+ ovs port fsv42 (node2) of fso41"]),
        (
            with_bridge(ports=(*GOOD.ports, OvsPort("fsv43", "lab:node3", 3, "", 13))),
            ["- ovs port fsv43 of fso41"],
        ),
        (with_bridge(ports=(*GOOD.ports, OvsPort("mirror0", number=9))), []),
        (
            with_port(index=7),
            ["~ ovs port fsv42 (node2) attached anew: the interface was made anew"],
        ),
        (
            with_port(number=-1, error="could not open network device fsv42"),
            ["~ ovs port fsv42 (node2) attached anew: could not open network device fsv42"],
        ),
        (with_port(number=0), ["~ ovs port fsv42 (node2) attached anew: it is not open"]),
        (with_port(number=5), ["~ ovs port fsv42 (node2) attached anew: its OpenFlow port is 5"]),
        (with_port(mark=""), ["~ ovs port fsv42 (node2) attached anew: its mark is ''"]),
        (
            with_bridge(datapath="system", fail_mode="", in_band=True),
            [
                "~ ovs bridge fso41 datapath_type system -> netdev",
                "~ ovs bridge fso41 fail_mode unset -> standalone",
                "~ ovs bridge fso41 disable-in-band unset -> true",
            ],
        ),
        (
            with_bridge(controllers={"tcp:198.51.100.9:6653": True}),
            ["~ ovs bridge fso41 controller tcp:198.51.100.9:6653 -> none"],
        ),
        (replace(HAVE, differences="+in_port=1 actions=drop"), ["~ ovs flows of fso41"]),
        (
            replace(HAVE, bridges=(OvsBridge("fso40", "lab", ports=GOOD.ports),)),
            ["- ovs bridge fso40 with 2 ports", *LIKE_NEW],
        ),
        (
            replace(HAVE, bridges=(GOOD, replace(THEIRS, ports=(OvsPort("fsv49", "lab:node9"),)))),
            ["- ovs port fsv49"],
        ),
    ],
)
def test_a_plan_lists_what_differs(have, lines):
    assert [str(change) for change in ADAPTER.plan(have, PORTS, OWNER)] == lines


@pytest.mark.parametrize(
    ("have", "lines"),
    [
        (replace(HAVE, bridges=()), []),
        (replace(HAVE, bridges=(THEIRS, NEIGHBOUR)), []),
        (HAVE, ["- ovs bridge fso41 with 2 ports"]),
        (with_bridge(mark="other"), ["- ovs port fsv41", "- ovs port fsv42"]),
        (with_bridge(mark="", ports=()), []),
    ],
)
def test_without_ports_all_of_the_owner_goes_and_nothing_else(have, lines):
    assert [str(change) for change in ADAPTER.plan(have, (), OWNER)] == lines


def test_a_bridge_is_made_with_all_its_marks_by_one_transaction():
    bridge, port, _ = ADAPTER.plan(replace(HAVE, bridges=()), PORTS, OWNER)
    mark = 'external_ids:farswitch="lab"'
    assert bridge.commands[:4] == (
        ("add-br", "fso41"),
        ("set", "Port", "fso41", mark),
        ("set", "Interface", "fso41", mark),
        ("set", "Bridge", "fso41", mark, "other_config:disable-in-band=true"),
    )
    mark = 'external_ids:farswitch="lab:node1"'
    index = 'external_ids:farswitch-ifindex="11"'
    assert port.commands == (
        ("add-port", "fso41", "fsv41", mark),
        ("set", "Interface", "fsv41", mark, index, "ofport_request=1"),
    )
    assert bridge.before == port.before == ()


def test_what_is_attached_anew_is_detached_by_a_transaction_before():
    (change,) = ADAPTER.plan(with_port(index=7), PORTS, OWNER)
    assert change.before == (("del-port", "fso41", "fsv42"),)
    assert change.commands[0][:3] == ("add-port", "fso41", "fsv42")


def test_flows_and_a_controller_make_the_bridge_secure():
    flows = OpenVSwitch(datapath="netdev", flows=["in_port=1,actions=output:2"])
    controlled = OpenVSwitch(datapath="netdev", controller="tcp:198.51.100.9:6653")
    new = replace(HAVE, bridges=())
    first, *_, last = flows.plan(new, PORTS, OWNER)
    assert ("set", "Bridge", "fso41", "fail_mode=secure") in first.commands
    assert (str(last), last.flows) == ("+ ovs flows of fso41", True)
    first, *_, last = controlled.plan(new, PORTS, OWNER)
    assert first.commands[-1] == ("set-controller", "fso41", "tcp:198.51.100.9:6653")
    assert not last.flows
    (mode, *_) = flows.plan(HAVE, PORTS, OWNER)
    assert (str(mode), mode.flows) == ("~ ovs bridge fso41 fail_mode standalone -> secure", True)
    with_controller = with_bridge(fail_mode="secure", controllers={controlled.controller: True})
    assert controlled.plan(replace(with_controller, differences="-x"), PORTS, OWNER) == []


@pytest.mark.parametrize(
    ("have", "what"),
    [
        (with_bridge(mark=""), "Open vSwitch bridge 'fso41' on server 'server2'"),
        (with_bridge(mark="other"), "Open vSwitch bridge 'fso41' on server 'server2'"),
        (
            replace(HAVE, bridges=(replace(THEIRS, ports=(OvsPort("fsv42", number=1),)),)),
            "Open vSwitch port 'fsv42' on server 'server2'",
        ),
    ],
)
def test_what_has_a_name_of_ours_without_our_mark_is_refused(have, what):
    with pytest.raises(ForeignObjectError, match=what):
        ADAPTER.plan(have, PORTS, OWNER)


def test_an_obstacle_is_raised_where_something_is_to_be_done():
    stopped = replace(HAVE, obstacle=Obstacle("It does not run.", "Start it."))
    with pytest.raises(ObstaclesError, match="It does not run"):
        ADAPTER.plan(replace(stopped, bridges=()), PORTS, OWNER)
    with pytest.raises(FarswitchError, match="It does not run") as caught:
        ADAPTER.plan(stopped, (), OWNER)
    assert (caught.value.hint, caught.value.usage) == ("Start it.", False)
    assert ADAPTER.plan(replace(stopped, bridges=(THEIRS, NEIGHBOUR)), (), OWNER) == []


ROWS = {
    "Open_vSwitch": [{"other_config": ["map", [["userspace-tso-enable", "true"]]]}],
    "Bridge": [
        {
            "name": "fso41",
            "datapath_type": "netdev",
            "fail_mode": "standalone",
            "other_config": ["map", [["disable-in-band", "true"]]],
            "external_ids": ["map", [["farswitch", "lab"]]],
            "controller": ["uuid", "c1"],
            "ports": ["set", [["uuid", "p1"], ["uuid", "p2"], ["uuid", "p3"]]],
        },
        {
            "name": "br-ex",
            "datapath_type": "",
            "fail_mode": ["set", []],
            "other_config": ["map", []],
            "external_ids": ["map", []],
            "controller": ["set", []],
            "ports": ["uuid", "p4"],
        },
    ],
    "Port": [
        *(
            {
                "_uuid": ["uuid", f"p{at}"],
                "name": name,
                "external_ids": ["map", [["farswitch", mark]] if mark else []],
                "interfaces": ["uuid", f"i{at}"],
            }
            for at, name, mark in (
                (1, "fsv42", "lab:node2"), (2, "fsv41", "lab:node1"), (3, "fso41", "lab"),
            )
        ),
        {
            "_uuid": ["uuid", "p4"],
            "name": "bond0",
            "external_ids": ["map", []],
            "interfaces": ["set", [["uuid", "i4"], ["uuid", "i5"]]],
        },
    ],
    "Interface": [
        {
            "_uuid": ["uuid", f"i{at}"],
            "name": name,
            "ofport": number,
            "error": error,
            "external_ids": ["map", [["farswitch-ifindex", index]] if index else []],
        }
        for at, name, number, error, index in (
            (1, "fsv42", -1, "could not open network device fsv42 (No such device)", "12"),
            (2, "fsv41", 1, ["set", []], "11"),
            (3, "fso41", 65534, ["set", []], ""),
            (4, "eth1", ["set", []], ["set", []], "x"),
            (5, "eth2", 2, ["set", []], ""),
        )
    ],
    "Controller": [{"_uuid": ["uuid", "c1"], "target": "tcp:h:1", "is_connected": False}],
}  # fmt: skip


def test_rows_become_bridges_with_their_ports():
    assert parse_tso(ROWS)
    assert not parse_tso({})
    ours, theirs = parse_bridges(ROWS)
    missing = "could not open network device fsv42 (No such device)"
    assert ours == replace(
        GOOD,
        controllers={"tcp:h:1": False},
        ports=(GOOD.ports[0], OvsPort("fsv42", "lab:node2", -1, missing, 12)),
    )
    assert theirs == OvsBridge(
        "br-ex", datapath="system", in_band=True, ports=(OvsPort("bond0", number=1),)
    )
    assert list(faults("server2", ours, HAVE)) == [
        f"Open vSwitch on 'server2' does not hold 'fsv42' (node2): {missing}.",
        "Controller 'tcp:h:1' of 'fso41' on 'server2' is not connected.",
    ]


def test_addresses_are_at_the_ports_that_have_their_numbers():
    table = """\
 port  VLAN  MAC                Age
    1     0  02:fa:00:00:00:29    3
LOCAL     0  02:fa:00:00:00:99    1
    2     0  02:fa:00:00:00:2a    0
    9     0  02:fa:00:00:00:2c    0
"""
    assert parse_places(table, {1: "fsv41", 2: "fsv42"}) == {
        "02:fa:00:00:00:29": "fsv41",
        "02:fa:00:00:00:2a": "fsv42",
    }


@pytest.mark.parametrize(
    ("site", "traits"),
    [
        ("openvswitch", Traits("tunnel", "master", places=True)),
        ({"openvswitch": {"datapath": "netdev"}}, Traits("plain port", "socket", places=True)),
        (
            {"openvswitch": {"datapath": "netdev", "tso": True}},
            Traits("tunnel", "socket", places=True),
        ),
        (
            {"openvswitch": {"flows": ["in_port=1,actions=output:2"]}},
            Traits("tunnel", "master", places=False),
        ),
        (
            {"openvswitch": {"controller": "tcp:[2001:db8::9]:6653"}},
            Traits("tunnel", "master", places=False),
        ),
    ],
)
def test_the_traits_follow_from_the_settings_alone(site, traits):
    adapter = parse_switch(site)
    assert adapter.traits == traits
    assert written(adapter) == site
    assert hash(adapter)


@pytest.mark.parametrize(
    "settings",
    [
        {"tso": True},
        {"datapath": "dpdk"},
        {"flows": "in_port=1,actions=2"},
        {"flows": ["one\ntwo"]},
        {"flows": [" "]},
        {"controller": "198.51.100.9"},
        {"controller": "tcp:198.51.100.9:6653", "flows": ["actions=drop"]},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(ValidationError):
        parse_switch({"openvswitch": settings})
