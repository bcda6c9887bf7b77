"""The file of a run, and the table that docs/performance.md has of it."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from bench import results
from bench.benchmark import lines
from bench.measure import Measure
from bench.results import BenchRun, Machine, newest, read, write
from bench.table import BEGIN, DOCUMENT, END, insert, render

IGNORED = Path(results.__file__).parents[1] / ".gitignore"
MISSED = Measure("build", (3.0, 4.0), "s", "bare", (2.0, 2.0), goal=1.2, found="ssh 1.0 s.")
REACHED = Measure("again", (1.0,), goal=1.5, found="one look.")
RUN = BenchRun(
    date="2026-01-02T03:04:05Z",
    full=False,
    minutes=12.4,
    machine=Machine("Some CPU", 2, 7.8, virtualisation=False, load=0.3),
    versions={"kernel": "6.1", "Python": "3.11.2"},
    measures=(MISSED, REACHED, Measure("teardown", (2.5,))),
    failures={},
)


def test_a_file_holds_the_run(tmp_path: Path):
    assert read(write(RUN, tmp_path / "results")) == RUN


def test_writing_again_replaces_the_runs_file(tmp_path: Path):
    assert write(RUN, tmp_path) == write(replace(RUN, minutes=20), tmp_path)
    assert [read(file).minutes for file in tmp_path.iterdir()] == [20]


def test_the_newest_is_the_last_full_run_or_else_the_last(tmp_path: Path):
    assert newest(tmp_path) is None
    early = write(RUN, tmp_path)
    late = write(replace(RUN, date="2026-03-01T00:00:00Z"), tmp_path)
    assert newest(tmp_path) == late != early
    full = write(replace(RUN, full=True), tmp_path)
    assert newest(tmp_path) == full


def test_only_full_runs_are_kept_in_the_repository(tmp_path: Path):
    patterns = [line for line in IGNORED.read_text().splitlines() if "results" in line]
    for full in (True, False):
        name = f"bench/results/{write(replace(RUN, full=full), tmp_path).name}"
        assert any(fnmatchcase(name, pattern) for pattern in patterns) is not full


def test_the_table_has_each_measure_with_goal_and_verdict():
    rows = {line.split(" | ")[0]: line for line in render(RUN).splitlines() if " | " in line}
    assert rows["| build"] == (
        "| build | 3.5 s (3 to 4) | bare | 2 s (2 to 2) | 1.75 | 1.50 to 2.00 | ≤ 1.2 "
        "| **missed** |"
    )
    assert rows["| again"] == "| again | 1 s |  |  |  |  | ≤ 1.5 s | reached |"
    assert rows["| teardown"] == "| teardown | 2.5 s |  |  |  |  |  |  |"


def test_a_missed_goal_is_shown_with_what_is_in_the_way():
    text = render(RUN)
    assert "- build (missed; what is in the way): ssh 1.0 s." in text
    assert "- again: one look." in text


def test_the_table_names_date_machine_and_versions():
    text = render(RUN)
    for word in ("2026-01-02T03:04:05Z", "one round", "2 cores of Some CPU", "7.8 GiB", "emulation",
                 "kernel: 6.1", "Python: 3.11.2"):  # fmt: skip
        assert word in text
    assert "medians" in render(replace(RUN, full=True))


@pytest.mark.parametrize(("load", "busy"), [(0.3, False), (1.1, True)])
def test_a_busy_machine_is_named(load: float, busy: bool):
    text = render(replace(RUN, machine=replace(RUN.machine, load=load)))
    assert ("busy" in text) == busy


def test_a_benchmark_that_failed_is_named_with_its_cause():
    text = render(replace(RUN, failures={"peer": "no\nimage"}))
    assert "- `peer` did not come to its end: no image" in text


def test_the_table_goes_between_its_marks():
    text = insert(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new\n")
    assert text == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="not both"):
        insert("no marks", "new\n")


def test_the_document_has_a_place_for_the_table():
    document = DOCUMENT.read_text()
    inside = document.partition(BEGIN)[2].partition(END)[0].removeprefix("\n")
    assert insert(document, inside) == document


def test_the_terminal_shows_ratio_goal_and_verdict():
    text = list(lines(RUN.measures))
    assert text[0] == ("build: 3.5 s; bare: 2 s; ratio 1.750 (1.500 to 2.000); goal 1.2, MISSED")
    assert text[1] == "    ssh 1.0 s."
    assert text[-1] == "teardown: 2.5 s"


def test_this_machine_is_described():
    described = results.machine()
    assert described.cores > 0
    assert described.memory_gib > 0
    assert set(results.versions()) >= {"kernel", "Python"}
