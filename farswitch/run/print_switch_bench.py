"""What the bench of switches found: for programs as a document, for people as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from farswitch.run.documents import (
    BenchedSwitchEntry,
    BenchEntry,
    LightEntry,
    LoadEntry,
)
from farswitch.run.terminal import shown
from farswitch.switch_bench.figures import SwitchFigures
from farswitch.switch_bench.rate_search import RESOLUTION, TRIALS
from farswitch.switch_bench.trials import LIGHT

BEHAVIOUR = "Frames of 64 bytes: addresses, copies to all other ports, all ports at once, recovery"
MARKS = {"switch": "", "underlay": " u", "generator": " g"}
"""Behind a throughput that something else than the switch limits."""
LEGEND = (
    "Throughput: frames a second without loss, by size in bytes with the CRC. At least that, where "
    "the generator (g) or the bare underlay (u) allow no more."
)
Measured = Mapping[str, tuple[Mapping[str, str], SwitchFigures | str]]
"""By switch: what its adapter says of it, and its figures, or why there are none."""


def entry_of(found: Measured, *, seconds: float, mtu: int, ports: int) -> BenchEntry:
    """Return the document."""
    return {
        "trial_seconds": seconds,
        "mtu": mtu,
        "ports": ports,
        "deviations": list(deviations(seconds)),
        "switches": [_switch(name, *one) for name, one in found.items()],
    }


def deviations(seconds: float) -> Iterator[str]:
    """Yield what is done otherwise than the standards want it."""
    yield (
        f"RFC 2544, 24 wants trials of 60 s: these take {seconds:g} s. A frame that comes more "
        "than 0.1 s after the last was sent was only stored, and does not count for the throughput."
    )
    yield (
        f"The throughput is searched by at most {TRIALS} trials, until its bounds are within "
        f"{RESOLUTION:.0%}; each bound is given."
    )
    yield "A loss of less than 1 % is tried once more before it counts (ETSI GS NFV-TST 009)."
    yield "Frames go one way, from one port to another, but in the full mesh."
    yield (
        f"Latency is that of every frame, at {LIGHT:g} frames a second and at half of the "
        "throughput, not at the throughput."
    )


def _switch(
    name: str, about: Mapping[str, str], figures: SwitchFigures | str
) -> BenchedSwitchEntry:
    error = figures if isinstance(figures, str) else ""
    known = SwitchFigures() if isinstance(figures, str) else figures
    fields = asdict(known)
    for by_size in ("half", "ceiling"):
        fields[by_size] = {str(size): one for size, one in fields[by_size].items()}
    if known.learning:
        kept = {str(many): known_of for many, known_of in known.learning.kept.items()}
        fields["learning"]["kept"] = kept
    if known.recovery:
        fields["recovery"]["recovery_ms"] = known.recovery.recovery_ms
    whole = {"name": name, "about": dict(about), "error": error, **fields}
    return cast("BenchedSwitchEntry", whole)


@dataclass(frozen=True, slots=True)
class BenchGrid:
    """A table of the bench: what it shows, the titles of its columns, and rows of as many cells."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Sized = Mapping[int, str]
"""Cells by size of the frames."""


def bench_grids(bench: BenchEntry) -> Iterator[BenchGrid]:
    """Yield the tables for people, of terminal and report; pure."""
    switches = [one for one in bench["switches"] if not one["error"]]
    rates: dict[str, Sized] = {
        one["name"]: {load["size"]: _throughput(load) for load in one["loads"]}
        for one in switches
        if one["loads"]
    }
    ceilings = (one["ceiling"] for one in switches if one["ceiling"] and one["loads"])
    for ceiling in ceilings:
        rates["(sent at most)"] = {int(size): f"{rate:,.0f}" for size, rate in ceiling.items()}
    yield from _by_size(LEGEND, rates)
    lights = {one["name"]: one["lights"] for one in switches if one["lights"]}
    title = f"Latency at {LIGHT:,g} frames a second: median / 99th percentile, in µs"
    yield from _by_size(
        title, {name: {one["size"]: _latency(one) for one in row} for name, row in lights.items()}
    )
    title = f"Lost of {LIGHT:,g} frames a second"
    yield from _by_size(
        title, {name: {one["size"]: _loss(one) for one in row} for name, row in lights.items()}
    )
    yield from _behaviour([one for one in switches if one["about"].get("kind") != "underlay"])


def print_bench(console: Console, bench: BenchEntry) -> None:
    """Print the tables, what could not be measured, and how trials deviate from the standards."""
    for grid in bench_grids(bench):
        console.print(shown(f"\n{grid.title}", style="bold"))
        figures = (Column(one, justify="right") for one in grid.head[1:])
        table = Table(grid.head[0], *figures, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
        for name, *cells in grid.rows:
            table.add_row(shown(name), *cells)
        console.print(table, soft_wrap=False)
    for one in bench["switches"]:
        if one["error"]:
            console.print(shown(f"{one['name']} was not measured: {one['error']}", style="red"))
    console.print(Text("\n".join(bench["deviations"])))


def _by_size(title: str, rows: Mapping[str, Sized]) -> Iterator[BenchGrid]:
    sizes = sorted({size for row in rows.values() for size in row})
    cells = tuple((name, *(row.get(size, "") for size in sizes)) for name, row in rows.items())
    if sizes:
        yield BenchGrid(title, ("Switch", *(f"{size} B" for size in sizes)), cells)


def _throughput(load: LoadEntry | None) -> str:
    return f"{load['throughput']:,.0f}{MARKS[load['limit']]}" if load else ""


def _latency(light: LightEntry) -> str:
    return f"{light['latency']['p50']:,.0f} / {light['latency']['p99']:,.0f}"


def _loss(light: LightEntry) -> str:
    return f"{light['loss']:.2%}" if light["loss"] else "0"


def _behaviour(switches: Sequence[BenchedSwitchEntry]) -> Iterator[BenchGrid]:
    rows = [(title, *map(cell, switches)) for title, cell in _ROWS.items()]
    if made := tuple(row for row in rows if any(row[1:])):
        yield BenchGrid(BEHAVIOUR, ("", *(one["name"] for one in switches)), made)


def _learnt(switch: BenchedSwitchEntry) -> str:
    learning = switch["learning"]
    if not learning:
        return ""
    asked, known = max((int(many), known) for many, known in learning["kept"].items())
    return f"all of {asked:,}" if asked == known else f"{known:,} of {asked:,}"


def _fastest(switch: BenchedSwitchEntry) -> str:
    learning = switch["learning"]
    return f"{learning['fastest']:,.0f}" if learning and learning["fastest"] else ""


def _copies(light: LightEntry | None) -> str:
    return f"{1 - light['loss']:.2%}" if light else ""


def _recovery(switch: BenchedSwitchEntry) -> str:
    recovery = switch["recovery"]
    return f"{recovery['recovery_ms']:,.0f}" if recovery else ""


_ROWS: Mapping[str, Callable[[BenchedSwitchEntry], str]] = {
    "addresses kept": _learnt,
    "addresses learnt a second": _fastest,
    "unknown unicast, copies": lambda one: _copies(one["flooding_light"]),
    "unknown unicast, frames/s": lambda one: _throughput(one["flooding"]),
    "broadcast, copies": lambda one: _copies(one["broadcast_light"]),
    "broadcast, frames/s": lambda one: _throughput(one["broadcast"]),
    "full mesh, frames/s": lambda one: _throughput(one["mesh"]),
    "recovery of a port, ms": _recovery,
}
