"""Each run is kept on the disk; whatever cuts a study off, nothing is lost and nothing twice."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from farswitch.errors import ConfigError, FarswitchError
from farswitch.model.timeline import ImpairmentEvent
from farswitch.study.document import KERNELS, StudyProgram
from farswitch.study.execute import execute, remaining, unknown
from farswitch.study.kept import check_same, keep, kept
from farswitch.study.plan import visits
from farswitch.study.results import RESULTS, Results, read_results, values_of
from tests.unit.study.studies import BRIDGE, MINE, FakeTestbed, listener, record, study


def test_all_runs_are_made_and_kept(tmp_path: Path) -> None:
    with Results(tmp_path) as results:
        assert execute(study(), FakeTestbed(), results, listener())
    found = read_results(tmp_path)
    assert len(found) == study().runs + study().discarded == 14
    assert {one.environment["farswitch"] for one in found} == {"0"}


def _killed(folder: Path, write_at: int, part: float) -> None:
    """Run the study in a process that is killed in the middle of its n-th line."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    count, write = 0, os.write

    def cut(file: int, line: bytes) -> int:
        nonlocal count
        count += 1
        if count == write_at:
            write(file, line[: int(len(line) * part)])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(file, line)

    os.write = cut  # type: ignore[assignment]
    with Results(folder) as results:
        execute(study(), FakeTestbed(), results, listener())
    os._exit(1)


def test_killed_anywhere_nothing_is_lost_and_nothing_is_twice(tmp_path: Path) -> None:
    draw = random.Random(14)
    lines: list[bytes] = []
    for _ in range(10):
        _killed(tmp_path, draw.randint(1, 3), draw.random())
        now = (tmp_path / RESULTS).read_bytes()
        assert now.startswith(b"".join(lines)), "what was kept stays as it was"
        lines = [line for line in now.splitlines(keepends=True) if line.endswith(b"\n")]
    with Results(tmp_path) as results:
        assert execute(study(), FakeTestbed(), results, listener())
    found = Counter(one.key for one in read_results(tmp_path))
    assert set(found.values()) == {1}
    assert len(found) == 14


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with Results(tmp_path), pytest.raises(FarswitchError, match="runs already"), Results(tmp_path):
        pass


def test_a_line_that_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text("{}\n")
    with pytest.raises(ConfigError, match=r"results.jsonl, line 1: this is no run of a study"):
        read_results(tmp_path)


def test_it_ends_after_the_run_and_goes_on(tmp_path: Path) -> None:
    testbed = FakeTestbed()
    with Results(tmp_path) as results:
        ended = execute(study(), testbed, results, listener(lambda: len(testbed.measured) == 5))
    assert not ended
    assert len(read_results(tmp_path)) == 5
    with Results(tmp_path) as results:
        assert execute(study(), testbed, results, listener())
    assert len(testbed.measured) == 14


@pytest.mark.parametrize(
    ("testbed", "why"),
    [
        (FakeTestbed(refuses=MINE), "It does not come up."),
        (
            FakeTestbed(unproved=MINE),
            "It is not proved that its bytes cross the switch: path.counters.",
        ),
    ],
)
def test_a_cell_without_a_path_gives_no_results(tmp_path: Path, testbed, why: str) -> None:
    left_out: list[str] = []
    with Results(tmp_path) as results:
        assert execute(study(), testbed, results, listener(left_out=left_out))
        assert {one.cell for one in results.records} == {BRIDGE.key}
        assert len(visits(study(), results.done)) == 7
    assert left_out == [why] * 7


def test_each_block_begins_once_also_where_it_was_cut_off(tmp_path: Path) -> None:
    testbed = FakeTestbed()
    with Results(tmp_path) as results:
        execute(study(), testbed, results, listener(lambda: len(testbed.measured) == 5))
        assert execute(study(), testbed, results, listener())
    assert testbed.begun == [0, 2, 4, 5, 6, 8, 10, 12]


def test_a_block_that_cannot_begin_gives_no_results_in_that_cell(tmp_path: Path) -> None:
    testbed, left_out = FakeTestbed(), list[str]()
    testbed.stuck = 1
    with Results(tmp_path) as results:
        assert execute(study(), testbed, results, listener(left_out=left_out))
    assert left_out == ["The snapshot is gone."]
    assert testbed.begun == [0, 1, 3, 5, 7, 9, 11]


def test_a_run_that_failed_is_made_again(tmp_path: Path) -> None:
    with Results(tmp_path) as results:
        results.add(record(1, BRIDGE, {}, error="It ended with status 1."))
        assert results.done == set()
        execute(study(), FakeTestbed(), results, listener())
        assert len(results.records) == 15


def test_discarded_and_failed_runs_are_no_values() -> None:
    found = [
        record(0, BRIDGE, {"a": 9.0}),
        record(1, BRIDGE, {"a": 1.0}),
        record(2, BRIDGE, {"a": 8.0}, error="no"),
    ]
    assert values_of(found) == {"a": {BRIDGE.key: {1: 1.0}}}


def test_a_calibration_is_the_first_uses_and_they_are_not_made_again(tmp_path: Path) -> None:
    testbed = FakeTestbed()
    with Results(tmp_path) as results:
        assert unknown(study(), results.records) == 2
        assert execute(study().first_uses, testbed, results, listener())
        assert [one.block for one in results.records] == [0, 0]
        assert unknown(study(), results.records) == 0
        assert execute(study(), testbed, results, listener())
    found = Counter(one.key for one in read_results(tmp_path))
    assert len(found) == len(testbed.measured) == study().runs + study().discarded


def test_the_time_left_is_known_after_the_first_run() -> None:
    todo = visits(study())
    assert remaining(todo, []) is None
    first = record(0, BRIDGE, {}, entering=3.0, beside=1.0)
    assert remaining(todo, [first]) == 14 * (3.0 + 1.0 + 2.0)
    failed = record(0, MINE, {}, entering=99.0, error="It ended with status 1.")
    assert remaining(todo, [failed]) is None
    assert remaining(todo, [first, failed]) == 14 * (3.0 + 1.0 + 2.0)


def test_after_a_calibration_each_cell_has_its_own_time() -> None:
    records = [record(0, BRIDGE, {}, entering=3.0), record(0, MINE, {}, entering=30.0)]
    assert remaining(visits(study(), {one.key for one in records}), records) == 6 * (5.0 + 32.0)


def test_a_study_is_kept_as_it_was(tmp_path: Path) -> None:
    event = ImpairmentEvent.model_validate(
        {"at": "10 s", "port": "node2", "to_guest": {"loss": "1 %"}, "link": "down", "for": "500ms"}
    )
    keep(tmp_path, study(events=(event,)), "lab")
    assert kept(tmp_path) == (study(events=(event,)), "lab")
    programs = {
        "kernels": KERNELS,
        "cg": StudyProgram.model_validate({"run": "cg.B", "app": "npb"}),
        "pipe": StudyProgram.model_validate(
            {
                "run": "NPmpich2",
                "ranks": 2,
                "metric": {"find": "> ([0-9.]+) Mbps", "unit": "Mbit/s"},
            }
        ),
    }
    mixed = replace(study(), programs=programs)
    keep(tmp_path, mixed, "lab")
    assert kept(tmp_path) == (mixed, "lab")
    keep(tmp_path, study(), "lab")
    assert kept(tmp_path) == (study(), "lab")
    check_same(tmp_path, study(repeats=20), "lab")
    with pytest.raises(ConfigError, match="begun with other repeats, in"):
        check_same(tmp_path, study(repeats=5), "lab")
    with pytest.raises(ConfigError, match="begun with other cluster, in"):
        check_same(tmp_path, study(), "other")
