"""Filters beside an interface's queue, as kernels that have classifiers report them."""

from __future__ import annotations

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.connections.netlink.queues import Filter, Qdisc
from farswitch.links.queues import QueueState
from farswitch.proof.queues import judge

LINKS = (
    Link(1, "eth1"), Link(2, "bond0"), Link(3, "vlan5", lower="bond0"),
    Link(4, "eth2", master="bond0"), Link(5, "eth3", master="bond0"), Link(6, "fsv41"),
)  # fmt: skip
POLICE, BPF = Filter("matchall", "ingress", 49152), Filter("bpf", "egress", 1)


def faults(name, *filters, ours):
    state = QueueState(LINKS, [Qdisc(name, "clsact", 0xFFFF, filters)])
    return [(one.text, " ".join(one.repair)) for one in state.faults([name], ours=ours)]


def test_what_is_not_there_is_not_judged():
    state = QueueState(LINKS, [])
    assert state.there(["fsv41", "fsv42"]) == ["fsv41"]
    (check,) = judge("guest.queues", "node1", state.there(["data0"]), [], str)
    assert check.ok is None


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        pytest.param([], [], id="none"),
        pytest.param([BPF], [], id="a-network-plugins"),
        pytest.param([BPF, POLICE], [("it has the filter 'matchall' at its ingress",
                     "tc filter del dev eth1 ingress pref 49152")], id="police"),
    ],
)  # fmt: skip
def test_filters_of_a_servers_own_device_are_named_one_by_one_but_for_programs(filters, told):
    assert faults("eth1", *filters, ours=False) == told


def test_filters_of_an_interface_of_ours_are_named_whatever_they_are():
    assert faults("fsv41", BPF, POLICE, ours=True) == [
        ("it has the filters 'bpf' at its egress, 'matchall' at its ingress",
         "tc qdisc del dev fsv41 clsact"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["mqprio", "prio", "hhf", "fq_codel"])
def test_a_kind_that_holds_nothing_back_is_a_servers_own_affair(kind: str):
    short = QueueState([Link(1, "eth1", queue_length=1)], [Qdisc("eth1", kind, 0x8001)])
    assert list(short.faults(["eth1"], ours=False)) == []
    assert [one.text for one in short.faults(["eth1"], ours=True)] == [
        f"its queueing discipline is '{kind}' (8001:)"
    ]
