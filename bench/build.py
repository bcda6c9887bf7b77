"""What a build costs beyond the boots of its guests.

`python -m bench.build` starts the same guests bare, with plain QEMU, and by a whole build in turns,
in a lab of its own, and prints how many times the bare time a build takes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from bench.guests import MTU
from bench.pairs import Bare, Build, Pair, ratio, render
from bench.processor import domains, seconds_of
from bench.site import NETWORKS, Bench, in_folder, open_lab, write_site
from bench.testbed import Testbed, open_testbed
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.guests.boot import GIB, seed_of
from farswitch.guests.config import wanted_config
from farswitch.image.build import BuiltImage
from farswitch.image.build import build as build_image
from farswitch.image.recipe import recipe
from farswitch.image.seed import Seed
from farswitch.state.record import complete

LIMIT = 900.0
"""Seconds that either side may take."""
GOAL = 2.0
"""Times the bare guests' that a build may take."""
ROOT = Path(__file__).parents[1]


def measure_bare(bed: Testbed, image: BuiltImage, seeds: tuple[Seed, ...], disk: int) -> Bare:
    """Start the guests side by side, each on a new disk of `disk` bytes, and wait for every login.

    Raises:
        DeadlineError: A guest was not ready within `LIMIT`.
    """
    deadline, start = Deadline(LIMIT), time.monotonic()
    guests = [bed.start(image, seed, size=disk) for seed in seeds]
    try:
        bed.wait_all(guests, deadline)
        wall = time.monotonic() - start
        return Bare(wall, sum(seconds_of(guest.process.pid) for guest in guests))
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
        env={**os.environ, "XDG_STATE_HOME": str(bench.folder.parent / "state")},
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


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(folder: Path, repeat: int, count: int, report: Callable[[str], None]) -> list[Pair]:
    """Measure both sides in turns, in a lab and a namespace that are gone afterwards.

    `folder` is empty: for the site, and for what the workflows write for their user.
    """
    image = build_image(recipe(), progress=report)
    bench = write_site(folder, count)
    record = complete(None, bench.cluster)
    seeds = tuple(
        replace(
            seed_of(guest, wanted_config(bench.cluster, guest, record), mtu=MTU, own_image=True),
            instance_id=f"bench-{guest.name}",
        )
        for guest in bench.cluster.guests
    )
    disk = bench.cluster.settings.disk * GIB
    pairs: list[Pair] = []
    with ExitStack() as stack:
        stack.enter_context(open_lab())
        bed = stack.enter_context(open_testbed(NETWORKS, record.controller))
        first = run_workflow("build", bench)
        report(f"first build, which brings the image to the server: {first.seconds:.1f} s")
        run_workflow("teardown", bench, "--keep-image")
        for number in range(1, repeat + 1):
            bare = measure_bare(bed, image, seeds, disk)
            pairs.append(Pair(bare, run_workflow("build", bench)))
            run_workflow("teardown", bench, "--keep-image")
            report(f"{number}: bare {bare.seconds:.1f} s, build {pairs[-1].build.seconds:.1f} s")
    return pairs


@click.command()
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Pairs.")
@click.option("--guests", type=click.IntRange(2, 9), default=3, show_default=True)
def main(repeat: int, guests: int) -> None:
    """Build and boot bare in turns, print medians and their ratio."""
    pairs = in_folder(lambda folder, report: compare(folder, repeat, guests, report))
    print("\n" + "\n".join(render(pairs)) + f"\ngoal: at most {GOAL} times")
    sys.exit(0 if ratio(pairs) <= GOAL else 1)


if __name__ == "__main__":
    main()
