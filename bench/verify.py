"""What the proof takes, beside the build of what it proves, and as the cluster grows.

`python -m bench.verify` builds a cluster in a lab of its own and runs `verify` on it, then with
`--attack` and `--control`, and prints the seconds of each and how many times the build's they are.
`python -m bench.verify --guests 3 --guests 8` builds both sizes one after the other, and prints
what each family of checks takes at each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import click

from bench.build import run_workflow
from bench.growth import Proof, growth, render
from bench.site import in_folder, open_lab, write_site
from farswitch.image.build import build as build_image
from farswitch.image.recipe import recipe

GOALS = {(): 90.0, ("--control",): 240.0, ("--attack", "--control"): 240.0}
"""Seconds that a run of `verify` with these options may take for three guests under emulation."""
MOST = 32
"""Guests: so many of 512 MiB, with as much again for their translated code, want 32 GiB."""


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


def measure_growth(
    folder: Path, repeat: int, counts: Sequence[int], report: Callable[[str], None]
) -> list[Proof]:
    """Return what `verify` takes at each size, in turns as the cluster grows from one to the next.

    `folder` is empty: for the site, and for what the workflows write for their user.

    Raises:
        FarswitchError: A build failed, or a check did.
    """
    build_image(recipe(), progress=report)
    bench = write_site(folder, max(counts))
    proofs = []
    with open_lab():
        for count in sorted(counts):
            nodes = ("--nodes", str(count))
            built = run_workflow("build", bench, *nodes).seconds
            report(f"{count} guests, build: {built:.1f} s")
            runs = [run_workflow("verify", bench, *nodes) for _ in range(repeat)]
            proofs.append(Proof.of(count, runs))
            report(f"{count} guests, verify: {', '.join(f'{run.seconds:.1f} s' for run in runs)}")
    return proofs


def _name(options: tuple[str, ...]) -> str:
    return " ".join(("verify", *options))


@click.command()
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs.")
@click.option(
    "--guests", type=click.IntRange(2, MOST), multiple=True, default=(3,), show_default=True,
    help="How many; given twice or more: how the time grows with them.",
)  # fmt: skip
def main(repeat: int, guests: tuple[int, ...]) -> None:
    """Verify in turns with and without options, or as a cluster grows; print medians."""
    if len(set(guests)) > 1:
        sizes = sorted(set(guests))
        proofs = in_folder(lambda folder, report: measure_growth(folder, repeat, sizes, report))
        print("\n" + "\n".join(render(proofs)))
        reached = growth(proofs[0], proofs[-1])
        print(f"{reached:.2f} times the growth of the number of nodes; goal: at most 1")
        sys.exit(0 if reached <= 1 else 1)
    built, took = in_folder(lambda folder, report: measure(folder, repeat, guests[0], report))
    print()
    for options, seconds in took.items():
        figures = f"{seconds:6.1f} s, {seconds / built:.1f} times the build"
        print(f"{_name(options):26} {figures}; goal: at most {GOALS[options]:.0f} s")
    sys.exit(0 if all(seconds <= GOALS[options] for options, seconds in took.items()) else 1)


if __name__ == "__main__":
    main()
