"""The controller of as many guests as a switch takes: its memory, threads and round trips."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.controller import MANY, MEMORY, measures, run_apart
from bench.controller_run import LATENCY, RUNS, WORKERS, Cost, Run
from bench.site import write_site

GUEST_FILES = 4
"""What names every guest: hosts, known_hosts, ssh's configuration and MPI's hostfile."""
LOGIN, BOOTED, LOOK = 1, 1, 1
"""Round trips to a guest that stands: all its steps take what one look has found."""


@pytest.mark.parametrize(
    ("run", "trips", "changed"),
    [
        pytest.param("first plan", 0, 2 * MANY, id="a-first-plan-asks-no-guest"),
        pytest.param("plan", MANY * (LOGIN + LOOK), 0, id="a-plan"),
        pytest.param(
            "grown",
            MANY * (LOGIN + BOOTED + LOOK) + (MANY - 1) * GUEST_FILES,
            (MANY - 1) * GUEST_FILES,
            id="a-build-that-writes-all-files-of-all",
        ),
    ],
)
def test_many_guests_cost_few_round_trips_threads_and_little_memory(
    run: Run, trips: int, changed: int, tmp_path: Path
) -> None:
    cost = run_apart(run, write_site(tmp_path, MANY, prefix=16), latency=0.0)
    assert (cost.trips, cost.changed) == (trips, changed)
    early, others = WORKERS, 4
    assert cost.threads <= WORKERS + early + others
    assert cost.memory < MEMORY


def test_a_runs_time_is_held_against_that_of_its_round_trips() -> None:
    of_all = {name: [Cost(9.0, 1.0, 3200, 34, 120.0, 0, 0, [])] for name in RUNS}
    of_all["first plan"] = [Cost(2.0, 1.0, 0, 1, 310.0, 0, 0, [])]
    found = {one.name.partition(": ")[2]: one for one in measures(900, of_all)}
    assert found["again"].peer == (3200 * LATENCY / WORKERS,) == (5.0,)
    assert (found["again"].value, found["again"].reached) == (1.8, True)
    assert (found["first plan"].ours, found["first plan"].reached) == ((2.0,), None)
    assert (found["memory"].ours, found["memory"].reached) == ((310.0,), False)
