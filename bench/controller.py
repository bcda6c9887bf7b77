"""What a run over many guests costs the controller: time beyond the waiting, and memory.

`python -m bench.controller` makes each run of `controller_run` in a process of its own, over 900
transports that answer after 50 ms what a built cluster answers: no guest boots.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.controller_run import COST, LATENCY, RUNS, WORKERS, Cost, Run
from bench.measure import Measure, in_turns
from bench.site import Bench, write_site
from farswitch.errors import FarswitchError

MANY = 900
"""Guests: as many as one switch takes."""
GOAL, MEMORY = 2.0, 300.0
"""Times the waiting alone, and MiB of the controller's process."""
LIMIT = 600.0
"""Seconds that a run may take."""
ROOT = Path(__file__).parents[1]


def run_apart(name: Run, bench: Bench, latency: float = LATENCY) -> Cost:
    """Make a run in a process of its own; `latency` is that of a round trip, in seconds.

    Raises:
        FarswitchError: It ended with an error, or something failed in it.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "bench.controller_run", name, str(bench.folder), str(latency)],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(bench.state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if ended.returncode != 0:
        raise FarswitchError(f"The run '{name}' failed:\n{ended.stderr}")
    cost = COST.validate_json(ended.stdout)
    if cost.failures:
        raise FarswitchError(f"{len(cost.failures)} failed in '{name}': {cost.failures[0]}")
    return cost


def measure(folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    """Make the runs in turns."""
    bench = write_site(folder, guests, prefix=16)
    return measures(
        guests, in_turns(rounds, {name: partial(run_apart, name, bench) for name in RUNS}, report)
    )


def measures(guests: int, costs: Mapping[str, Sequence[Cost]]) -> Measures:
    """Return what follows from the runs; pure."""
    of_each = (_time(f"controller of {guests} guests: {name}", costs[name]) for name in costs)
    rounds = zip(*costs.values(), strict=True)
    memory = tuple(max(cost.memory for cost in together) for together in rounds)
    found = ", ".join(f"{name} {max(one.memory for one in costs[name]):.0f} MiB" for name in costs)
    name = f"controller of {guests} guests: memory"
    return (*of_each, Measure(name, memory, "MiB", goal=MEMORY, found=f"{found}."))


def _time(name: str, costs: Sequence[Cost]) -> Measure:
    """Return the time of a run, against that of its round trips where it has any."""
    last, seconds = costs[-1], tuple(cost.seconds for cost in costs)
    found = f"{last.trips:,} round trips, {last.threads} threads, {last.processor:.1f} s computed."
    if not last.trips:
        return Measure(name, seconds, found=found)
    waiting = f"round trips of {LATENCY * 1000:.0f} ms by {WORKERS} workers"
    alone = tuple(cost.waiting for cost in costs)
    return Measure(name, seconds, "s", waiting, alone, GOAL, found=found)


BENCHMARK = Benchmark(measure, rounds=1, full=3, guests=(MANY,))

if __name__ == "__main__":
    BENCHMARK.main()
