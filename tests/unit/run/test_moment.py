"""A moment of a run as lines: what stands in them, what is left out, and that it fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farswitch.proof.check import Check
from farswitch.run.moment import AtWork, Moment
from farswitch.run.rows import Row
from workflows.build import STEPS

DONE = [Row(name, 0.0, 0.4) for name in STEPS[:17]]
BOOTS = [AtWork(f"node{number}", "vm_boot", 9 + number % 4, 290) for number in range(3, 65)]
MANY = Moment(
    behind=DONE,
    at_work=[AtWork("node1", "observe_guest", 1), AtWork("node2", "mtu", 0.2), *BOOTS],
    ahead=STEPS[20:],
    since=[("vm_boot", 12.0), ("observe_guest", 1.0), ("mtu", 0.2)],
    hosts=64,
    message="image: 17 %",
)


def text_of(moment: Moment, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain.rstrip() for line in moment.lines(width, height)]


def test_80_columns_show_stages_hosts_and_deadlines():
    assert text_of(MANY) == [
        "done   preflight 0.4 s, image_source 0.4 s, underlay_udp 0.4 s, record 0.4 s,",
        "       vm_remove 0.4 s, sysctl 0.4 s, guard 0.4 s, firewall_reset 0.4 s,",
        "       bridge 0.4 s, veth 0.4 s, vxlan 0.4 s, bridge_ports 0.4 s, fdb 0.4 s,",
        "       mtu_servers 0.4 s, switch 0.4 s, impair 0.4 s, image 0.4 s",
        "now    vm_boot 12 s, observe_guest 1 s, mtu 0 s, 0 of 64 hosts done",
        "ahead  firewall_guests, hosts_file, ssh_keys, nfs, mpi, interfaces, mpi_smoke",
        "node[3-64] (62)  vm_boot        9-12 s of 299 s",
        "node1            observe_guest  1 s",
        "node2            mtu            0 s",
        "image: 17 %",
    ]


def test_140_columns_need_fewer_lines():
    lines = text_of(MANY, 140)
    assert [line.split(", ")[-1] for line in lines[:2]] == ["guard 0.4 s,", "switch 0.4 s,"]
    assert len(lines) == 9


@pytest.mark.parametrize("width", [80, 140])
def test_64_guests_at_as_many_steps_as_there_are_fit_into_24_rows(width: int):
    at_work = [
        AtWork(f"node{number}", STEPS[number % len(STEPS)], number, 10.0) for number in range(1, 65)
    ]
    since = [(name, 1.0) for name in STEPS]
    moment = Moment(DONE, at_work, STEPS, since, hosts=64, message="uploading")
    lines = text_of(moment, width)
    assert len(lines) == 24
    assert max(map(len, lines)) <= width
    assert lines[-1] == "uploading"
    counted = [int(found[1]) for line in lines if (found := re.search(r"\((\d+)\)  ", line))]
    left_out = re.fullmatch(r"and (\d+) more hosts?", lines[-2])
    assert left_out
    assert sum(counted) + int(left_out[1]) == 64


def test_a_small_terminal_keeps_what_is_latest_and_what_is_next():
    assert text_of(MANY, 40, 6) == [
        "done   16 earlier, image 0.4 s",
        "now    3 earlier, 0 of 64 hosts done",
        "ahead  firewall_guests, 6 more",
        "node[3-64] (62)  vm_boot  9-12 s of 299",
        "and 2 more hosts",
        "image: 17 %",
    ]


def test_many_scattered_names_are_cut_and_counted():
    odd = [AtWork(f"node{number}", "vm_boot", 3) for number in range(1, 64, 2)]
    assert text_of(Moment(at_work=odd)) == [
        "node[1,3,5,7,9,11,13,15,17,19,21... (32)  vm_boot  3 s"
    ]


def test_servers_without_a_site_are_named_as_they_were_given():
    both = [AtWork(name, "find", 3) for name in ("[2001:db8::1]:22", "10.0.0.2")]
    assert text_of(Moment(at_work=both)) == ["[2001:db8::1]:22,10.0.0.2 (2)  find  3 s"]


def test_what_failed_is_counted_where_it_is_done():
    bad = Check("mtu.exact", "node1", ok=False, measured="", expected="")
    rows = [Row("vm_boot", 0, 20, failed={"node1"}), Row("mtu", 0, 1, checks=[bad, bad])]
    assert text_of(Moment(rows)) == ["done   vm_boot 20.0 s (1 failed), mtu 1.0 s (2 failed)"]


def test_hosts_that_failed_are_not_among_those_that_are_done():
    moment = Moment(since=[("vm_boot", 9.0)], hosts=64, through=3, failed=2)
    assert text_of(moment) == ["now    vm_boot 9 s, 3 of 64 hosts done, 2 failed"]


def test_one_host_is_not_counted():
    alone = Moment(at_work=[AtWork("server1", "record", 1)], since=[("record", 1.0)], hosts=1)
    assert text_of(alone) == ["now    record 1 s", "server1  record  1 s"]


NAMES = st.sampled_from([*STEPS, "step\x1b[2J", "long" * 40])
WORK = st.builds(
    AtWork,
    host=st.sampled_from([f"node{number}" for number in range(1, 65)] + ["::1", "é" * 90]),
    step=NAMES,
    seconds=st.floats(0, 9999),
    left=st.none() | st.floats(0, 999),
)
MOMENTS = st.builds(
    Moment,
    behind=st.lists(st.builds(Row, name=NAMES, started=st.just(0.0), ended=st.just(1.0))),
    at_work=st.lists(WORK, max_size=64),
    ahead=st.lists(NAMES),
    since=st.lists(st.tuples(NAMES, st.floats(0, 999))),
    hosts=st.integers(0, 64),
    message=st.sampled_from(["", "image: 17 %", "\x1b]0;x\x07" * 50]),
)


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 200), st.integers(1, 60))
def test_whatever_goes_on_it_fits_and_gives_no_orders(moment: Moment, width: int, height: int):
    lines = moment.lines(width, height)
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    assert all(line.plain.isprintable() for line in lines)
