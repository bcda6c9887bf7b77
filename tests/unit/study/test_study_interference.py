"""Two jobs on one switch: who is compared with what, and how the other one is kept going."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.remote import command
from farswitch.study.document import KERNELS
from farswitch.study.interference import interference
from farswitch.study.neighbour import halves, silent
from farswitch.study.page import render
from farswitch.study.plan import Cell, Study
from farswitch.study.results import PortTraffic
from farswitch.study.summary import summarise
from farswitch.study.tables import document_of, summary_lines
from tests.schemas import assert_fits
from tests.unit.study.studies import record

SECONDS = 30.0
SWITCHES, BESIDE = ("bridge", "mine"), ("none", "cg")
CELLS = tuple(Cell(switch, neighbour=other) for switch in SWITCHES for other in BESIDE)
FIGURES = dict(zip(CELLS, (100.0, 105.0, 200.0, 500.0), strict=True))
STUDY = Study("s", CELLS, {"kernels": KERNELS, "cg": KERNELS}, "kernels.compute", 6, 1)
RECORDS = [
    record(block, cell, {"kernels.pingpong-8B": figure + block})
    for block in range(1, 7)
    for cell, figure in FIGURES.items()
]


def test_each_program_is_compared_with_itself_alone_where_all_else_is_the_same() -> None:
    near, far = interference(STUDY, RECORDS)
    assert (near.neighbour, near.where, near.slowdown_class) == ("cg", "bridge", "below 1.1")
    assert (far.neighbour, far.where, far.slowdown_class) == ("cg", "mine", "above 2")
    assert far.effect.ratio == pytest.approx(503.5 / 203.5)
    assert far.effect.interval is not None
    assert far.effect.interval.low > 2


def test_the_table_the_page_and_the_document_have_it() -> None:
    summary = summarise(STUDY, RECORDS)
    assert any("beside cg, mine" in line and "above 2" in line for line in summary_lines(summary))
    page = render(summary, RECORDS, "lab")
    assert "Beside another job" in page
    assert "1.1 to 2" not in page
    document = document_of(summary, "lab")
    assert [one["class"] for one in document["beside"]] == ["below 1.1", "above 2"]
    assert_fits("study", document)


def test_a_study_without_neighbours_has_no_such_table() -> None:
    plain = Study("s", CELLS[::2], {"kernels": KERNELS}, "kernels.compute", 6, 1)
    summary = summarise(plain, RECORDS)
    assert summary.beside == ()
    assert "Beside another job" not in render(summary, RECORDS, "lab")


@pytest.mark.parametrize(("count", "each"), [(4, 2), (5, 2), (8, 4)])
def test_both_jobs_have_half_of_the_nodes(count: int, each: int) -> None:
    settings = Settings(cluster="lab")
    guests = [Guest(f"node{n}", n, "server1", settings) for n in range(1, count + 1)]
    first, second = halves(guests)
    assert [len(first), len(second)] == [each, each]
    assert not {*first} & {*second}
    ports = {guest.name: PortTraffic(received=1, sent=1, dropped=0) for guest in guests}
    assert silent(ports, second) == ""
    ports[second[-1].name] = PortTraffic(received=0, sent=1, dropped=0)
    assert f"the port of '{second[-1].name}'" in silent(ports, second)


@contextmanager
def repeated(*words: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, *command("mpi_repeat", *words)[1:]]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def started(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    number: int = json.loads(process.stdout.readline())["started"]
    return number


def test_a_job_is_started_anew_until_its_caller_goes_and_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"echo $$ >{mark}.new; mv {mark}.new {mark}; [ -e {tmp_path}/long ] && exec sleep 60"
    with repeated("sh", "-c", f"{script} || true") as process:
        assert [started(process) for _ in range(3)] == [1, 2, 3]
        (tmp_path / "long").touch()
        wait_until(
            lambda: "sleep" in comm(mark), Deadline(SECONDS), what="The start of the long run"
        )
        pid = mark.read_text().strip()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 0
        assert not Path(f"/proc/{pid}").exists()


def comm(mark: Path) -> str:
    try:
        return Path(f"/proc/{mark.read_text().strip()}/comm").read_text()
    except OSError:
        return ""


def test_a_job_that_fails_is_not_started_again() -> None:
    with repeated("sh", "-c", "echo broken >&2; exit 3") as process:
        assert started(process) == 1
        assert process.wait(SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read().splitlines() == ["broken", "run 1 ended with status 3"]
