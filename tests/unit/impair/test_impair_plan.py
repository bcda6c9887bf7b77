"""What is done to frames, compared with what is wanted; and the chains that do it."""

from __future__ import annotations

import struct

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.connections.netlink.shapers import (
    OURS,
    SPLITTING,
    Netem,
    RootQdisc,
    Tbf,
    added,
    removed,
)
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.impair.changes import shapers
from farswitch.impair.observe import EndState, ImpairedEnds, KernelAbilities, found
from farswitch.impair.plan import PortEnd, plan, refused
from farswitch.model.impairment import Impairment, impairment
from farswitch.model.owner import Owner

MTU, FRAME = 1450, 1464
NONE = Impairment()
OWNER = Owner("lab", 41)


@pytest.mark.parametrize(
    ("words", "chain"),
    [
        ("delay 2ms jitter 1ms", [Netem(delay=2_000_000, jitter=1_000_000, limit=257_500)]),
        ("rate 100Mbit", [Tbf(12_500_000, 12_500, 1_250_000)]),
        ("rate 8kbit", [Tbf(1000, 2 * FRAME, 16 * FRAME)]),
        (
            "delay 20ms rate 1Gbit",
            [Netem(delay=20_000_000, limit=30_000), Tbf(125_000_000, 125_000, 12_500_000)],
        ),
        (
            "loss 1%",
            [Tbf(SPLITTING, FRAME + 14, 1000 * FRAME), Netem(loss=10_000, limit=250_000)],
        ),
        (
            "delay 1ms corrupt 1% duplicate 2% reorder 3% rate 10Mbit",
            [
                Tbf(SPLITTING, FRAME + 14, 1000 * FRAME),
                Netem(1_000_000, corrupt=10_000, duplicate=20_000, reorder=30_000, limit=1000),
                Tbf(1_250_000, 2 * FRAME, 125_000),
            ],
        ),
    ],
)
def test_with_netem_a_chain_of_disciplines_does_it(words, chain):
    assert list(shapers(impairment(words), netem=True, mtu=MTU)) == chain


@pytest.mark.parametrize(
    ("words", "count"), [("delay 2ms loss 1%", 0), ("delay 2ms rate 1Gbit", 1)]
)
def test_without_netem_a_bucket_is_all_that_a_discipline_does(words, count):
    chain = shapers(impairment(words), netem=False, mtu=MTU)
    assert [type(one) for one in chain] == [Tbf] * count


def test_requests_hang_one_below_the_other():
    requests = added(7, [Tbf(SPLITTING, 1478, 99), Netem(delay=64), Tbf(1000, 3000, 9999)])
    heads = [struct.unpack_from("=16xBxxxiII", request)[1:] for request in requests]
    assert heads == [
        (7, 0x46000000, 0xFFFFFFFF),
        (7, 0x46010000, 0x46000001),
        (7, 0x46020000, 0x46010001),
    ]
    assert struct.unpack_from("=16xBxxxiII", removed(7))[1:] == (7, OURS, 0xFFFFFFFF)


def ends(**states: EndState) -> ImpairedEnds:
    return ImpairedEnds(states, frozenset(), {})


def end(words: str | None, up: bool | None = None) -> PortEnd:
    want = None if words is None else impairment(words) if words else NONE
    return PortEnd("node1", "fsv41", "to_guest", want, up)


LOSS = EndState(5, up=True, done=impairment("loss 1%"))
WHAT = "~ impairment to_guest of node1 (fsv41): "


@pytest.mark.parametrize(
    ("have", "want", "lines"),
    [
        (EndState(5, up=True), end(""), []),
        (EndState(5, up=True), end("loss 1%"), [f"{WHAT}none -> loss 1%"]),
        (LOSS, end("loss 1%"), []),
        (LOSS, end(None), []),
        (LOSS, end("loss 2%"), [f"{WHAT}loss 1% -> loss 2%"]),
        (LOSS, end("", up=False), [f"{WHAT}loss 1% -> none, link up -> down"]),
        (LOSS, end(None, up=False), [f"{WHAT}link up -> down"]),
        (
            EndState(5, up=True, done=impairment("loss 1%"), fault="x"),
            end("loss 1%"),
            [f"{WHAT}loss 1% -> loss 1%"],
        ),
    ],
)
def test_a_plan_is_what_differs(have, want, lines):
    assert [str(one) for one in plan(ends(fsv41=have), [want], server="s2")] == lines


def test_a_foreign_root_is_refused_where_something_is_wanted_and_else_left():
    have = ends(fsv41=EndState(5, up=True, root=RootQdisc("htb", 0x10000)))
    assert plan(have, [end("")], server="s2") == []
    with pytest.raises(ForeignObjectError, match=r"'htb' \(1:\) at the root.*'fsv41'"):
        plan(have, [end("rate 1Mbit")], server="s2")


def test_a_port_that_is_not_there_does_nothing_and_is_foreseen():
    assert plan(ends(), [end("", up=True)], server="s2") == []
    with pytest.raises(FarswitchError, match=r"'fsv41'.*is not on 's2'"):
        plan(ends(), [end("loss 1%")], server="s2")
    (one,) = plan(ends(), [end("loss 1%", up=True)], server="s2", foreseen=True)
    assert str(one) == f"{WHAT}none -> loss 1%"


NO_NETEM, NEITHER = (
    KernelAbilities("kind is unknown"),
    KernelAbilities("kind is unknown", "no such hook"),
)


@pytest.mark.parametrize(
    ("words", "able", "lab", "sentences"),
    [
        ("delay 1ms corrupt 1%", KernelAbilities(), False, []),
        ("rate 1Mbit", NEITHER, False, []),
        ("loss 1%", NO_NETEM, False, []),
        ("delay 1ms loss 1%", NO_NETEM, True, []),
        ("delay 1ms", NO_NETEM, False, ["cannot delay frames"]),
        ("delay 1ms reorder 1%", NO_NETEM, True, ["cannot reorder frames"]),
        ("loss 1%", NEITHER, True, ["can only have a rate"]),
    ],
)
def test_a_kernel_is_asked_for_no_more_than_it_can(words, able, lab, sentences):
    obstacles = refused([end(words)], able, server="s2", lab=lab)
    assert len(obstacles) == len(sentences)
    for obstacle, sentence in zip(obstacles, sentences, strict=True):
        assert sentence in obstacle.what
        assert obstacle.what.startswith("The kernel of 's2' has no netem (kind is unknown)")


def rule(comment: str, table: str = "farswitch_lab_fsv41") -> dict[str, object]:
    return {"rule": {"family": "netdev", "table": table, "comment": comment, "expr": []}}


@pytest.mark.parametrize(
    ("others", "listed", "root", "done", "fault"),
    [
        ([], [], None, "", ""),
        (["fsi41"], [rule("farswitch:lab:loss 1%")], None, "loss 1%", ""),
        ([], [rule("farswitch:lab:loss 1%")], None, "loss 1%", "'fsi41') is not there"),
        ([], [rule("farswitch:lab:delay 1ms")], None, "delay 1ms", "'fst41') is not there"),
        ([], [rule("farswitch:other:loss 1%")], None, "", ""),
        ([], [rule("farswitch:lab:loss 1%", "mine")], None, "", ""),
        ([], [], RootQdisc("tbf", OURS, (Tbf(1_250_000, 0, 9),)), "rate 10Mbit", ""),
        (
            [],
            [],
            RootQdisc("tbf", OURS, (Tbf(SPLITTING, 0, 9), Netem(64_000_000, loss=1000))),
            "delay 64ms loss 0.1%",
            "",
        ),
        ([], [], RootQdisc("prio", OURS), "", "its root is 'prio'"),
        ([], [], RootQdisc("tbf", 0x50000), "", ""),
    ],
)
def test_what_is_there_is_read_back(others, listed, root, done, fault):
    links = [Link(1, "fsv41", "vxlan"), *(Link(9, name) for name in others)]
    roots = {"fsv41": root} if root else {}
    state = found(links, roots, listed, OWNER).ends["fsv41"]
    assert str(state.done) == done
    assert fault in state.fault
    assert bool(fault) == bool(state.fault)
