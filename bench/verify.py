"""What the proof takes, beside the build of what it proves.

`python -m bench.verify` builds a cluster in a lab of its own and runs `verify` on it, then with
`--attack` and `--control`, and prints the seconds of each and how many times the build's they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click

from bench.build import run_workflow
from bench.site import in_folder, open_lab, write_site
from farswitch.image.build import build as build_image
from farswitch.image.recipe import recipe

GOALS = {(): 90.0, ("--control",): 240.0, ("--attack", "--control"): 240.0}
"""Seconds that a run of `verify` with these options may take for three guests under emulation."""


def measure(
    folder: Path, repeat: int, count: int, report: Callable[[str], None]
) -> tuple[float, dict[tuple[str, ...], float]]:
    """Return the seconds of the build, and the median of those of `verify` by its options.

    `folder` is empty: for the site, and for what the workflows write for their user.

    Raises:
        FarswitchError: A build failed, or a check did.
    """
    build_image(recipe(), progress=report)
    bench = write_site(folder, count)
    took: dict[tuple[str, ...], list[float]] = {options: [] for options in GOALS}
    with open_lab():
        run_workflow("build", bench)
        run_workflow("teardown", bench, "--keep-image")
        built = run_workflow("build", bench).seconds
        report(f"build: {built:.1f} s")
        for _ in range(repeat):
            for options, seconds in took.items():
                seconds.append(run_workflow("verify", bench, *options).seconds)
                report(f"{_name(options)}: {seconds[-1]:.1f} s")
    return built, {options: median(seconds) for options, seconds in took.items()}


def _name(options: tuple[str, ...]) -> str:
    return " ".join(("verify", *options))


@click.command()
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs.")
@click.option("--guests", type=click.IntRange(2, 9), default=3, show_default=True)
def main(repeat: int, guests: int) -> None:
    """Verify in turns with and without options, print medians."""
    built, took = in_folder(lambda folder, report: measure(folder, repeat, guests, report))
    print()
    for options, seconds in took.items():
        figures = f"{seconds:6.1f} s, {seconds / built:.1f} times the build"
        print(f"{_name(options):26} {figures}; goal: at most {GOALS[options]:.0f} s")
    sys.exit(0 if all(seconds <= GOALS[options] for options, seconds in took.items()) else 1)


if __name__ == "__main__":
    main()
