"""Verdicts of the negative control: what a port that was down for some seconds must have done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Event
from types import SimpleNamespace

import pytest

from farswitch.connections.netlink.links import Link
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check
from farswitch.proof.mpi_job import mpi_job
from farswitch.remote_program import RemoteProgramError
from farswitch.site.loader import ROOT, load_site
from tasks.checks.control import job as control_job
from tasks.checks.control import probe
from tasks.checks.control.job import Watched, await_lap
from tasks.checks.control.judge import (
    State,
    judge_back,
    judge_cut,
    judge_job,
    judge_left,
    judge_timer,
)

GUESTS = cluster(load_site(str(ROOT / "inventory/lab")), 3).guests
NODE1, NODE2, NODE3 = GUESTS
OTHERS = {NODE3.data_mac: frozenset({NODE3.tunnel})}
LOST = FarswitchError("No connection to 'node3': it is off")


def heard(**of: str) -> dict[str, frozenset[str] | FarswitchError]:
    """Each guest with the numbers of those that answered it, as in node1="23"."""
    return {
        name: frozenset(str(GUESTS[int(one) - 1].data_address.ip) for one in numbers)
        for name, numbers in of.items()
    }


ALL = heard(node1="23", node2="13", node3="12")
APART = heard(node1="3", node2="", node3="1")

CUTS = {
    "only-it": (APART, True, "node2 heard nobody"),
    "nobody-is-cut-off": (ALL, False, "node1 heard node2"),
    "it-still-hears-one": (heard(node1="3", node2="3", node3="1"), False, "node2 heard node3"),
    "one-still-hears-it": (heard(node1="23", node2="", node3="1"), False, "node1 heard node2"),
    "another-is-cut-off-too": (
        heard(node1="", node2="", node3=""),
        False,
        "node1 did not hear node3; node3 did not hear node1",
    ),
    "one-way-between-others": (
        heard(node1="3", node2="", node3=""),
        False,
        "node3 did not hear node1",
    ),
    "one-could-not-ask": (APART | {"node3": LOST}, False, "node3 could not ask: No connection"),
    "the-cut-one-could-not-ask": (APART | {"node2": LOST}, False, "node2 could not ask"),
    "nobody-was-asked": ({}, False, "node1 could not ask: not probed"),
}


@pytest.mark.parametrize(("found", "ok", "measured"), CUTS.values(), ids=CUTS)
def test_exactly_one_node_is_cut_off(found, ok, measured):
    check = judge_cut(NODE2, GUESTS, found, "fsv42 of 'server2'", "verify")
    assert (check.name, check.host, check.ok) == ("control.cut", "node2", ok)
    assert measured in check.measured
    assert check.measured.startswith("fsv42 of 'server2' down: ")
    assert bool(check.fix) is not ok


JOBS = {
    "hangs": (Watched((), 5.0), True, "hangs: its last lap ended before the cut"),
    "hangs-after-a-lap-under-way": (Watched((0.1, 1.9), 5.2), True, "1.9 s after the cut"),
    "ends": (Watched((), 1.2, "the job ended: aborted"), True, "ended after 1.2 s: the job ended"),
    "ends-late": (Watched((0.1, 3.0), 4.0, "the job ended"), True, "ended after 4.0 s"),
    "goes-on": (Watched((0.1, 2.5, 4.9), 5.0), False, "2 laps, the last 4.9 s"),
    "one-late-lap": (Watched((2.1,), 5.0), False, "1 laps"),
    "was-not-watched-long-enough": (Watched((), 4.9), False, "4.9 s only"),
    "was-not-watched": (Watched((), 0.0), False, "0.0 s only"),
}


@pytest.mark.parametrize(("watched", "ok", "measured"), JOBS.values(), ids=JOBS)
def test_a_running_job_fails_in_time(watched, ok, measured):
    check = judge_job(NODE2, watched, "fsv42", "verify")
    assert (check.name, check.host, check.ok) == ("control.job", "node2", ok)
    assert measured in check.measured


class Said:
    """A job's process that has said some laps: then it says no more, or ends."""

    def __init__(self, laps: int, *, ends: bool) -> None:
        self.lines = b'{"rung": "lap"}\n' * laps
        self.over = Event()
        if ends:
            self.over.set()

    def read(self, _limit):
        lines, self.lines = self.lines, b""
        if not lines:
            self.over.wait()
        return lines

    def stderr_tail(self):
        return ""

    def close(self):
        self.over.set()


@pytest.mark.parametrize(
    ("ends", "why"), [(True, "MPI job on 'node1' ended"), (False, "did not report 'LapEnded'")]
)
def test_a_job_that_ended_or_hung_before_the_cut_is_no_proof(monkeypatch, ends, why):
    monkeypatch.setattr(control_job, "LAP_SECONDS", 0.2)
    login = SimpleNamespace(host="node1", start=lambda _argv: Said(4, ends=ends))
    with mpi_job(login, NODE1.settings, GUESTS, [], 1) as job:
        deadline = Deadline(5.0)
        wait_until(lambda: job.waiting() >= 4, deadline, what="Laps", interval=0.01)
        with pytest.raises(RemoteProgramError, match=why):
            await_lap(job)


LINK = Link(7, NODE2.tunnel, "vxlan", 1450, master="fss41")
BEFORE = State(
    LINK,
    frozenset({("02:00:00:00:00:01", NODE2.tunnel)}),
    {NODE2.data_mac: frozenset({NODE2.tunnel})},
)


@dataclass
class Back:
    ok: bool
    measured: str
    heard: dict[str, frozenset[str] | FarswitchError] = field(default_factory=lambda: ALL)
    job: str = ""
    now: State = BEFORE


BACKS = {
    "as-before": Back(True, "all hear all, a new MPI job runs"),
    "still-apart": Back(False, "node1 did not hear node2", heard=APART),
    "nobody-was-asked": Back(False, "node3 could not ask: not probed", heard={}),
    "no-new-job": Back(False, "no new MPI job: it hung", job="it hung"),
    "still-down": Back(False, "up=False", now=replace(BEFORE, link=replace(LINK, up=False))),
    "gone": Back(False, "is None, and was Link", now=replace(BEFORE, link=None)),
    "another-mtu": Back(False, "mtu=1400", now=replace(BEFORE, link=replace(LINK, mtu=1400))),
    "an-entry-was-lost": Back(
        False, "entries differ: [('02:00:00:00:00:01'", now=replace(BEFORE, written=frozenset())
    ),
    "not-learnt-again": Back(False, "on no port, not", now=replace(BEFORE, places={})),
    "learnt-elsewhere": Back(
        False,
        f"on {NODE1.tunnel}, not {NODE2.tunnel}",
        now=replace(BEFORE, places={NODE2.data_mac: frozenset({NODE1.tunnel})}),
    ),
    "an-address-is-on-two-ports": Back(
        False,
        "not fsv42",
        now=replace(BEFORE, places={NODE2.data_mac: frozenset({"fsv41", "fsv42"})}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BACKS.values(), ids=BACKS)
def test_all_is_as_before(case: Back):
    before = replace(BEFORE, places={**BEFORE.places, **OTHERS})
    check = judge_back(
        NODE2, GUESTS, case.heard, job=case.job, states=(before, case.now), rebuild="mend it"
    )
    assert (check.name, check.host, check.ok) == ("control.back", "node2", case.ok)
    assert case.measured in check.measured
    assert check.fix == ("" if case.ok else "mend it")


@pytest.mark.parametrize(("in_time", "measured"), [(True, "disarmed after"), (False, "it fired")])
def test_a_timer_that_fired_is_told(in_time, measured):
    check = judge_timer(NODE2, 7.0, in_time=in_time, bring_up="up")
    assert (check.ok, check.fix) == (in_time, "" if in_time else "up")
    assert measured in check.measured


LEFT = {
    "nothing": ((0, False), True, "nothing"),
    "killed": ((0, True), True, "some had to be killed"),
    "two": ((2, True), False, "2 processes"),
    "nobody-looked": (LOST, False, "not probed: No connection"),
    "not-asked": (None, False, "not probed"),
}


@pytest.mark.parametrize(("found", "ok", "measured"), LEFT.values(), ids=LEFT)
def test_what_the_jobs_left_is_told(found, ok, measured):
    check: Check = judge_left(NODE3, found)
    assert (check.host, check.ok) == ("node3", ok)
    assert measured in check.measured


def test_every_check_is_announced():
    made: list[Check] = [
        judge_cut(NODE1, GUESTS, {}, "", ""),
        judge_job(NODE1, Watched((), 5.0), "", ""),
        judge_back(NODE1, GUESTS, {}, job="", states=(BEFORE, BEFORE), rebuild=""),
        judge_timer(NODE1, 1.0, in_time=True, bring_up=""),
        judge_left(NODE1, None),
    ]
    assert {check.name for check in made} == set(probe.PROBE.checks)
    assert probe.PROBE.asked
    assert probe.PROBE.writes


def test_fixes_are_what_mends_and_no_second_look():
    """A build puts guard, ports, pins and guests back; the port itself comes up by its own line."""
    cut = judge_cut(NODE2, GUESTS, ALL, "fsv42", "build")
    job = judge_job(NODE2, Watched((1.0, 4.9), 5.0), "fsv42", "build")
    timer = judge_timer(NODE2, 61.0, in_time=False, bring_up="ssh far ip link set fsv42 up")
    assert [cut.fix, job.fix, timer.fix] == ["build", "build", "ssh far ip link set fsv42 up"]
