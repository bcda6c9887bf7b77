"""All benchmarks in one run: `python -m bench`, and with `--full` medians and their spread.

What has been measured so far is in the result's file after each benchmark; one that fails is named
there and does not hold up the next.
"""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from pathlib import Path

import click

from bench import boot, build, controller, dataplane, network, peer, results, status, verify
from bench.benchmark import Benchmark, Measures, Report, lines
from bench.growth import TOTAL, growth
from bench.measure import Measure
from bench.site import in_folder
from farswitch.errors import FarswitchError

FEWEST = 3
"""Guests from which on the proof's growth is measured."""


def _verify(folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    first, last = verify.measure_growth(folder, rounds, (FEWEST, guests), report)
    found = (
        f"{name} {growth(first, last, name):.2f} ({seconds:.0f} s)"
        for name, seconds in last.seconds.items()
    )
    return (
        Measure(
            f"verify of {guests} guests", (last.seconds[TOTAL],), "s",
            f"as often verify of {FEWEST} as there are more guests",
            (first.seconds[TOTAL] * last.guests / first.guests,), 1.0, found=f"{', '.join(found)}.",
        ),
    )  # fmt: skip


BENCHMARKS: dict[str, Benchmark] = {
    "dataplane": dataplane.BENCHMARK,
    "network": network.BENCHMARK,
    "controller": controller.BENCHMARK,
    "status": status.BENCHMARK,
    "boot": boot.BENCHMARK,
    "build": build.BENCHMARK,
    "peer": peer.BENCHMARK,
    "verify": Benchmark(_verify, guests=(8,)),
}


def run_all(names: tuple[str, ...], folder: Path, report: Report, *, full: bool) -> Path:
    """Run benchmarks one after the other, and return the file with what they gave."""
    start, date, machine = time.monotonic(), results.now(), results.machine()
    versions = results.versions()
    measures: Measures = ()
    failures: dict[str, str] = {}
    for name in names:
        report(f"== {name}")
        benchmark = BENCHMARKS[name]
        rounds = benchmark.full if full else benchmark.rounds
        try:
            measures += benchmark.run(rounds, benchmark.guests, folder / name, report)
        except (FarswitchError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            report(traceback.format_exc())
            failures[name] = str(error)
        minutes = (time.monotonic() - start) / 60
        run = results.BenchRun(date, full, minutes, machine, versions, measures, failures)
        path = results.write(run)
    return path


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--full", is_flag=True, help="As many rounds as medians need: at most 2 hours.")
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
def main(names: tuple[str, ...], *, full: bool) -> None:
    """Run the named benchmarks, or all; exit 1 where a goal is missed or one failed."""
    chosen = names or tuple(BENCHMARKS)
    path = in_folder(lambda folder, report: run_all(chosen, folder, report, full=full))
    run = results.read(path)
    print("\n" + "\n".join(lines(run.measures)))
    for name, why in run.failures.items():
        print(f"{name} did not come to its end: {why}")
    print(f"\n{run.minutes:.0f} minutes; {path}")
    sys.exit(bool(run.failures) or any(one.reached is False for one in run.measures))


if __name__ == "__main__":
    main()
