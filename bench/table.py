"""The table of a run in docs/performance.md: `python -m bench.table [FILE]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import click

from bench.measure import Measure
from bench.results import BenchRun, newest, read

DOCUMENT = Path(__file__).parents[1] / "docs/performance.md"
BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"
HEAD = ("measure", "ours", "against", "its", "ratio", "95 % interval", "goal", "")


def rows(run: BenchRun) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table, a row a measure."""
    for one in run.measures:
        yield (
            one.name,
            _figure(one.ours, one.unit),
            one.against,
            _figure(one.peer, one.unit) if one.peer else "",
            f"{one.value:.2f}" if one.peer else "",
            " to ".join(f"{end:.2f}" for end in one.interval) if len(one.ours) > 1 else "",
            f"≤ {one.goal:g}{'' if one.peer else f' {one.unit}'}" if one.goal is not None else "",
            {True: "reached", False: "**missed**", None: ""}[one.reached],
        )


def _figure(values: tuple[float, ...], unit: str) -> str:
    """Return the median with its spread, where there is one."""
    middle = f"{median(values):.3g} {unit}"
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return middle + spread


def render(run: BenchRun) -> str:
    """Return the table in Markdown, with where and when before it and what was found after it."""
    return "\n".join([*_around(run), "", *_table(run), *_found(run)]) + "\n"


def _around(run: BenchRun) -> Iterator[str]:
    on = run.machine
    how = "hardware virtualisation" if on.virtualisation else "emulation"
    kind = "medians (and spread)" if run.full else "one round"
    yield (
        f"{run.date}, {kind}, {run.minutes:.0f} minutes. {on.cores} cores of {on.processor}, "
        f"{on.memory_gib:g} GiB, guests by {how}, load {on.load:g} before it began."
    )
    if on.load > on.cores / 2:
        yield "**The machine was busy with other work: these figures are no reference.**"
    yield ""
    yield ", ".join(f"{name}: {version}" for name, version in run.versions.items()) + "."


def _table(run: BenchRun) -> Iterator[str]:
    for cells in (HEAD, ("---",) * len(HEAD), *rows(run)):
        yield f"| {' | '.join(cells)} |"


def _found(run: BenchRun) -> Iterator[str]:
    notes = [(one, one.found) for one in run.measures if one.found]
    if notes:
        yield ""
    for one, found in notes:
        yield f"- {one.name}{_missed(one)}: {found}"
    if run.failures:
        yield ""
    for name, why in run.failures.items():
        yield f"- `{name}` did not come to its end: {' '.join(why.split())}"


def _missed(one: Measure) -> str:
    return " (missed; what is in the way)" if one.reached is False else ""


def insert(document: str, table: str) -> str:
    """Return the document with the table between its two marks.

    Raises:
        ValueError: It has not both marks.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The document has not both '{BEGIN}' and '{END}'.")
    return f"{before}{BEGIN}\n{table}{END}{after}"


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
def main(file: Path | None) -> None:
    """Render a run, or the last full one, into docs/performance.md."""
    path = file or newest()
    if path is None:
        raise click.ClickException("There is no result yet: make bench")
    DOCUMENT.write_text(insert(DOCUMENT.read_text(), render(read(path))))


if __name__ == "__main__":
    main()
