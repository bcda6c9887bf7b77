"""In which order a switch gives way to another, and what gives the ports back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.switch import Switch, parse_switch
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import SwitchInUse, adapter_of
from farswitch.switches.exchange import SwitchSide, is_held, moves, once_over, order_of, undo_script
from workflows.switch_use import side_of

SITE = cluster(load_site(str(ROOT / "inventory/lab")), 2)
PROGRAM = {"program": {"command": ["mine", "{ports}"]}}
KINDS: dict[str, object] = {
    "bridge": "bridge",
    "kernel": "openvswitch",
    "whole": {"openvswitch": {"datapath": "netdev"}},
    "super": {"openvswitch": {"datapath": "netdev", "tso": True}},
    "program": PROGRAM,
}
BRIDGE, NONE, OWN = ("fss41", "fss41"), (None, None), ("fsn41", "fsn42")
FOUND = {
    "bridge": BRIDGE,
    "kernel": ("ovs-system",) * 2,
    "whole": OWN,
    "super": NONE,
    "program": OWN,
}
OVERLAP, BREAK = "make before break", "break before make"


def side(name: str) -> SwitchSide:
    adapter: Switch = parse_switch(KINDS[name])
    wanted: Cluster = SITE.with_switch(adapter)
    return side_of(wanted, "u0", 1450)


@pytest.mark.parametrize(
    ("old", "new", "order", "moved"),
    [
        ("bridge", "program", OVERLAP, OWN),
        ("bridge", "super", OVERLAP, NONE),
        ("bridge", "whole", OVERLAP, OWN),
        ("bridge", "kernel", BREAK, NONE),
        ("program", "bridge", OVERLAP, BRIDGE),
        ("program", "program", OVERLAP, None),
        ("program", "super", OVERLAP, NONE),
        ("program", "whole", OVERLAP, None),
        ("program", "kernel", BREAK, NONE),
        ("super", "bridge", OVERLAP, BRIDGE),
        ("super", "program", OVERLAP, OWN),
        ("super", "kernel", OVERLAP, None),
        ("whole", "kernel", BREAK, NONE),
        ("whole", "bridge", OVERLAP, BRIDGE),
        ("kernel", "bridge", BREAK, BRIDGE),
        ("kernel", "program", BREAK, OWN),
        ("kernel", "kernel", OVERLAP, None),
        ("bridge", "bridge", OVERLAP, None),
    ],
)
def test_the_order_and_the_moves(old, new, order, moved):
    names = [tunnel.name for tunnel in side(new).tunnels]
    chosen = order_of(side(old), side(new))
    wanted = {} if moved is None else dict(zip(names, moved, strict=True))
    assert str(chosen) == order
    assert moves(chosen, side(new), dict(zip(names, FOUND[old], strict=True))) == wanted


def test_the_undo_gives_all_back_or_else_all_to_the_new():
    found = {"fsv41": "fss41", "fsv42": None}
    back = (
        "printf '%s\\n' 'link set dev fsv41 master fss41' 'link set dev fsv42 nomaster' "
        "| ip -batch -"
    )
    forth = (
        "printf '%s\\n' 'link set dev fsv41 master fsn41' 'link set dev fsv42 master fsn42' "
        "| ip -batch -"
    )
    assert undo_script(found, side("program"), "") == f"{back} || {forth}"
    ended = undo_script(found, side("program"), "end it")
    assert ended == f"{{ {back} && {{ end it; true; }}; }} || {forth}"
    assert undo_script(found, side("kernel"), "end it").startswith(f"{{ end it; {back}; }} || ")


@pytest.mark.parametrize("left", ["", "armed", "fired", "said"])
def test_the_old_one_is_ended_only_where_the_exchange_was_confirmed(tmp_path: Path, left: str):
    if left:
        (tmp_path / f"exchange.{left}").touch()
    script = once_over(f"{tmp_path}/exchange", "echo ended; [ 1 = 2 ] || echo all")
    printed = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout == ("" if left else "ended\nall\n")


def test_what_a_kind_ends_of_itself_spares_what_it_is_told_to():
    owner, program, ovs = SITE.owner, side("program").adapter, side("super").adapter
    assert program.ending(owner, {"b", "a"}).endswith(" end lab a b")
    assert ovs.ending(owner, {"fso41"}) == ""
    assert ovs.ending(owner, ()).endswith("!= lab ] || ovs-vsctl --timeout=20 del-br fso41")
    assert side("bridge").adapter.ending(owner, ()) == ""


def test_a_switch_in_use_that_is_not_known_here_is_named():
    assert adapter_of(SwitchInUse(name="mine", adapter=PROGRAM)) == parse_switch(PROGRAM)
    with pytest.raises(Exception, match="The switch in use, 'mine', is no switch") as caught:
        adapter_of(SwitchInUse(name="mine", adapter={"nobodys": {}}))
    assert "farswitch build" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "master", "held"),
    [
        ("bridge", "ovs-system", True),
        ("program", "ovs-system", True),
        ("bridge", "fss41", False),
        ("program", "fss41", False),
        ("bridge", None, False),
        ("super", "ovs-system", False),
        ("kernel", "ovs-system", False),
        ("kernel", "fss41", False),
    ],
)
def test_only_one_that_is_not_ours_has_to_let_go_before_a_build(
    wanted: str, master: str | None, held: bool
):
    links = [
        Link(1, "fsv41", "vxlan", master=master),
        Link(2, "fsv42", "vxlan"),
        Link(3, "fss41", "bridge", alias=f"{SITE.owner.mark}:fss41"),
    ]
    assert is_held(links, side(wanted).tunnels, SITE.owner) is held
