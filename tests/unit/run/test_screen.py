"""What the screen shows while a run is under way, with and without a terminal."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner
from rich.console import Console

from farswitch.errors import FarswitchError
from farswitch.proof.check import Check
from farswitch.run.live import view_on
from farswitch.run.print_report import console_for, show
from farswitch.run.progress import StageLines
from farswitch.run.recorder import Recorder
from farswitch.run.report import Report
from farswitch.run.rows import Row
from farswitch.run.stages import Stage, StepsAhead, guests, run_stages, servers, step

SECONDS = 10.0
FAILED = Check("mtu.exact", "node1", ok=False, measured="1400", expected="1450")
MADE = Check("mtu.exact", "node2", ok=True, measured="1450", expected="1450")
SKIPPED = Check("reach.icmp", "node2", ok=None, measured="not probed", expected="")


class Log:
    """A console of a file, as a CI has it."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.lines = StageLines(Console(file=self._file, soft_wrap=True))

    def rows(self) -> list[list[str]]:
        """Return the words of each line, without those that tell how long it took."""
        text = re.sub(r" +\d+\.\d s *$", "", self._file.getvalue(), flags=re.MULTILINE)
        return [line.split() for line in text.splitlines()]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def recorder(log: Log) -> Recorder:
    return Recorder(log.lines)


@pytest.fixture
def nornir(recorder: Recorder) -> Nornir:
    groups = Groups({name: Group(name) for name in ("hypervisor", "guest")})
    roles = {"server1": "hypervisor", "node1": "guest", "node2": "guest"}
    hosts = Hosts(
        {name: Host(name, groups=ParentGroups([groups[role]])) for name, role in roles.items()}
    )
    inventory = Inventory(hosts=hosts, groups=groups, defaults=Defaults())
    return Nornir(inventory=inventory, runner=ThreadedRunner(4)).with_processors([recorder])


def change(task: Task, count: int = 1) -> Result:
    return Result(host=task.host, changed=bool(count), count=count)


def fail(task: Task, who: str) -> Result:
    if task.host.name == who:
        raise FarswitchError("No.")
    return Result(host=task.host)


STAGE_TITLES = ["Stage", "Hosts", "Changed", "Failed", "Time"]
FAMILY_TITLES = ["Family", "Made", "Failed", "Skipped", "Time"]


@pytest.mark.parametrize(
    ("ended", "left"),
    [
        ([], {"a", "b"}),
        ([("x", False)], {"a", "b"}),
        ([("x", False), ("y", False)], {"b"}),
        ([("x", False), ("x", False)], {"a", "b"}),
        ([("x", True), ("y", False)], {"b"}),
        ([("x", True), ("y", True)], set()),
        ([("x", False), ("y", False), ("y", False), ("x", False)], set()),
    ],
)
def test_a_step_is_ahead_until_its_last_host_ended_it_or_failed_before(ended, left):
    ahead = StepsAhead(["a", "b"], ["x", "y"])
    for host, failed in ended:
        ahead.ended(host, failed=failed)
    assert ahead.names() == left


def test_a_step_that_comes_twice_is_ahead_until_the_second_time():
    ahead = StepsAhead(["a", "b", "a"], ["x"])
    ahead.ended("x", failed=False)
    assert ahead.names() == {"a", "b"}


def test_a_line_is_written_as_soon_as_the_next_stage_begins(
    nornir: Nornir, recorder: Recorder, log: Log
):
    written: list[list[list[str]]] = []

    def look(task: Task) -> Result:
        written.append(log.rows())
        return Result(host=task.host)

    stages = [Stage(guests, (step(change, count=2),)), Stage(servers, (step(look),))]
    assert run_stages(nornir, stages)
    assert written == [[STAGE_TITLES, ["change", "2", "4", "0"]]]
    recorder.close()
    assert log.rows() == [STAGE_TITLES, ["change", "2", "4", "0"], ["look", "1", "0", "0"]]


def test_a_host_that_is_ahead_does_not_end_the_line_of_one_that_is_late(
    nornir: Nornir, recorder: Recorder, log: Log
):
    ahead = threading.Event()
    written: list[list[list[str]]] = []

    def first(task: Task) -> Result:
        if task.host.name == "node2":
            assert ahead.wait(SECONDS)
            written.append(log.rows())
        return Result(host=task.host)

    def second(task: Task) -> Result:
        ahead.set()
        return Result(host=task.host)

    run_stages(nornir, [Stage(guests, (step(first), step(second)))])
    recorder.close()
    assert written == [[]]
    assert log.rows() == [STAGE_TITLES, ["first", "2", "0", "0"], ["second", "2", "0", "0"]]


def test_a_host_that_failed_keeps_no_line_waiting(nornir: Nornir, recorder: Recorder, log: Log):
    chain = (step(fail, who="node1"), step(change, "next"), step(change, "last"))
    run_stages(nornir, [Stage(guests, chain, vital=False), Stage(servers, (step(change),))])
    rows = [["fail", "2", "0", "1"], ["next", "1", "1", "0"], ["last", "1", "1", "0"]]
    assert log.rows() == [STAGE_TITLES, *rows]
    run_stages(nornir, [Stage(guests, (step(change, "later"),))])
    recorder.close()
    rows += [["change", "1", "1", "0"], ["later", "1", "1", "0"]]
    assert log.rows() == [STAGE_TITLES, *rows]


def test_a_family_of_several_stages_gets_one_line(nornir: Nornir, recorder: Recorder, log: Log):
    def stages() -> Iterator[Stage]:
        for name, on, checks in (
            ("mtu", servers, [MADE]),
            ("mtu", guests, [FAILED, SKIPPED]),
            ("ssh", guests, [MADE, MADE]),
        ):
            yield Stage(on, (step(change, name, count=0),), vital=False)
            recorder.judged(name, checks)

    run_stages(nornir, stages())
    recorder.close()
    assert log.rows() == [
        FAMILY_TITLES,
        ["mtu,", "reach", "2", "1", "1"],
        ["ssh,", "mtu", "2", "0", "0"],
    ]


def test_verdicts_that_come_after_the_observation_are_of_its_line(
    nornir: Nornir, recorder: Recorder, log: Log
):
    run_stages(nornir, [Stage(guests, (step(change, "mtu", count=0),))])
    recorder.judged("mtu", [MADE, FAILED])
    recorder.judged("ssh", [SKIPPED])
    recorder.close()
    assert log.rows() == [FAMILY_TITLES, ["mtu", "2", "1", "0"], ["ssh,", "reach", "0", "0", "1"]]
    assert recorder.checks == [MADE, FAILED, SKIPPED]


def test_a_log_gets_no_code_and_no_progress(nornir: Nornir):
    file = io.StringIO()
    view = view_on(Console(file=file))
    view.start()
    view.message("image: 17 %")
    view.began("node1", "vm_boot")
    view.left("node1", failed=False)
    view.stop()
    assert file.getvalue() == ""
    view.ended(Row("vm_boot", 0.0, 1.0, hosts={"node1"}, failed={"node1"}))
    assert "vm_boot" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_a_log_with_forced_colours_is_no_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(view_on(Console(file=io.StringIO())), StageLines)


@pytest.mark.parametrize("as_json", [False, True])
def test_lines_stay_out_of_the_way_of_the_json_document(
    capsys: pytest.CaptureFixture[str], as_json: bool
):
    view_on(console_for(as_json=as_json)).ended(Row("vm_boot", 0.0, 1.0))
    streams = capsys.readouterr()
    people, programs = (streams.err, streams.out) if as_json else (streams.out, streams.err)
    assert "vm_boot" in people
    assert programs == ""


def run_with(nornir: Nornir, monkeypatch: pytest.MonkeyPatch, out: TextIO) -> None:
    """Run two stages where nothing can be written."""
    monkeypatch.setattr(sys, "stdout", out)
    recorder = Recorder(view_on(console_for(as_json=False)))
    stages = [Stage(guests, (step(change),)), Stage(servers, (step(change, "later"),))]
    assert run_stages(nornir.with_processors([recorder]), stages)
    recorder.close()
    assert recorder.rows["change"].hosts == {"node1", "node2"}
    assert recorder.rows["later"].hosts == {"server1"}


def test_a_run_goes_on_when_its_reader_goes_away(nornir: Nornir, monkeypatch: pytest.MonkeyPatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:  # its end raises nothing either
        run_with(nornir, monkeypatch, out)
        show(Report("build", "lab", rows=ROWS), as_json=False, verbose=0)
        monkeypatch.undo()


def test_a_run_goes_on_when_the_disk_of_its_log_is_full(
    nornir: Nornir, monkeypatch: pytest.MonkeyPatch
):
    out = Path("/dev/full").open("w")  # noqa: SIM115 - to close it is to write, and fails
    run_with(nornir, monkeypatch, out)
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space left"):
        out.close()


ROWS = [Row("vm_boot", 0.0, 1.0, hosts={"node1"}, changed=1)]


def test_the_report_of_a_log_does_not_repeat_what_was_written(capsys: pytest.CaptureFixture[str]):
    show(Report("build", "lab", rows=ROWS), as_json=False, verbose=0)
    assert "vm_boot" not in capsys.readouterr().out


@pytest.mark.parametrize(("verbose", "shown"), [(0, False), (1, True)])
def test_every_check_is_printed_when_asked_for(
    capsys: pytest.CaptureFixture[str], verbose: int, shown: bool
):
    show(Report("verify", "lab", checks=[MADE, SKIPPED]), as_json=False, verbose=verbose)
    printed = capsys.readouterr().out
    assert ("For instance" in printed) == shown
    assert ("node2  mtu.exact  ok  1450" in printed) == shown
