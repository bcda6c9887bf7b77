"""What a build costs beyond the boots of its guests, and one that has nothing to do.

`python -m bench.build` starts the same guests bare, with plain QEMU, and by a whole build in turns,
in a lab of its own; then builds again, beside one plain ssh login to each host.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.guests import MTU
from bench.measure import Measure, in_turns, timed
from bench.pairs import Build, longest
from bench.processor import domains, seconds_of
from bench.site import NETWORKS, Bench, open_lab, write_site
from bench.testbed import Testbed, open_testbed
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.guests.boot import GIB, seed_of
from farswitch.guests.config import wanted_configs
from farswitch.image.build import BuiltImage
from farswitch.image.build import build as build_image
from farswitch.image.recipe import recipe
from farswitch.image.seed import Seed
from farswitch.state.record import Record, complete

LIMIT = 900.0
"""Seconds that either side may take."""
GOAL, AGAIN = 1.2, 2.0
"""Times the bare guests' boots that a build may take, and times the plain logins of one more."""
ROOT = Path(__file__).parents[1]


def bare(bed: Testbed, image: BuiltImage, seeds: tuple[Seed, ...], disk: int) -> Build:
    """Start the guests side by side, each on a new disk of `disk` bytes, and wait for every login.

    Raises:
        DeadlineError: A guest was not ready within `LIMIT`.
    """
    deadline, start = Deadline(LIMIT), time.monotonic()
    guests = [bed.start(image, seed, size=disk) for seed in seeds]
    try:
        bed.wait_all(guests, deadline)
        wall = time.monotonic() - start
        return Build(wall, {}, guests=sum(seconds_of(guest.process.pid) for guest in guests))
    finally:
        for guest in guests:
            guest.stop()


def run_workflow(name: str, bench: Bench, *options: str) -> Build:
    """Run a workflow as a user does and return what it took and printed.

    Raises:
        FarswitchError: It failed.
    """
    argv = [sys.executable, "-m", f"workflows.{name}", "--site", str(bench.folder), "--json"]
    start, own = time.monotonic(), _children()
    ended = subprocess.run(
        [*argv, *options],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(bench.state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    seconds = time.monotonic() - start
    if ended.returncode != 0:
        raise FarswitchError(f"The {name} failed:\n{ended.stderr}")
    guests = sum(map(seconds_of, domains([guest.domain for guest in bench.cluster.guests])))
    return Build(seconds, json.loads(ended.stdout), _children() - own, guests)


def plain_logins(bench: Bench) -> Build:
    """Start Python, and run one command on each host by `ssh`, side by side."""
    cluster = bench.cluster
    names = [server.name for server in cluster.servers]
    names += [guest.name for guest in cluster.guests]
    ssh = ("ssh", "-F", str(bench.ssh_config))

    def run(*argv: str) -> None:
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=LIMIT)

    def both() -> None:
        run(sys.executable, "-c", "pass")
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name: run(*ssh, name, "true"), names))

    return Build(timed(both), {})


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    """Build a cluster and boot the same guests bare, in turns; then build it once more."""
    image = build_image(recipe(), progress=report)
    bench = write_site(folder, guests)
    record = complete(None, bench.cluster)
    seeds, disk = _seeds(bench, record), bench.cluster.settings.disk * GIB
    with ExitStack() as stack:
        stack.enter_context(open_lab())
        bed = stack.enter_context(open_testbed(NETWORKS, record.controller))
        first = run_workflow("build", bench, "--nodes", "2")
        report(f"a first build brings the image to the server: {first.seconds:.1f} s")
        run_workflow("teardown", bench, "--keep-image")
        took = in_turns(
            rounds,
            {
                "bare": lambda: bare(bed, image, seeds, disk),
                "build": lambda: run_workflow("build", bench),
                "again": lambda: run_workflow("build", bench),
                "logins": lambda: plain_logins(bench),
                "teardown": lambda: run_workflow("teardown", bench, "--keep-image"),
            },
            report,
        )
    return measures(guests, took)


def measures(guests: int, took: dict[str, tuple[Build, ...]]) -> Measures:
    """Return what follows from the turns; pure."""

    def of(name: str, what: str = "seconds") -> tuple[float, ...]:
        return tuple(getattr(one, what) for one in took[name])

    name = f"build of {guests} guests"
    return (
        Measure(
            name, of("build"), "s", "the same guests started bare", of("bare"), GOAL,
            found=longest(took["build"]),
        ),
        Measure(
            f"{name}, guests' processor", of("build", "guests"), "s",
            "the same guests started bare", of("bare", "guests"),
        ),
        Measure(
            f"{name}, nothing to do", of("again"), "s", "Python's start and an ssh login to each",
            of("logins"), AGAIN, found=longest(took["again"]),
        ),
        Measure(f"teardown of {guests} guests", of("teardown")),
    )  # fmt: skip


def _seeds(bench: Bench, record: Record) -> tuple[Seed, ...]:
    cluster = bench.cluster
    configs = wanted_configs(cluster, record)
    return tuple(
        replace(
            seed_of(guest, configs[guest.name], mtu=MTU, own_image=True),
            instance_id=f"bench-{guest.name}",
        )
        for guest in cluster.guests
    )


BENCHMARK = Benchmark(measure, guests=(2, 4, 8))

if __name__ == "__main__":
    BENCHMARK.main()
