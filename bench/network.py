"""The network of many guests: bridges, tunnels, ports and MTU of both servers, and no guest.

`python -m bench.network` makes, looks over and removes it in turns, by our tasks and by `ip -batch`
over the same logins, in a lab of its own.
"""

from __future__ import annotations

from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.measure import Measure, in_turns, timed
from bench.plane import Plane, batch, removal
from bench.site import open_lab, write_site
from farswitch.errors import FarswitchError
from farswitch.run.cli import Options
from farswitch.run.session import Session

MADE, REMOVED = 3.0, 1.5
"""Times the peer's that both may take; the peer's removal is the kernel's own time."""
MANY, AGAIN = 500, 1.5
"""Guests, and seconds that a look at both their servers may take where there is nothing to do."""
PEER = "`ip -batch` over the same logins"


def measure(folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    """Make, look over and remove the network of many guests, by our tasks and by `ip -batch`."""
    bench = write_site(folder, guests, prefix=16)
    options = Options(site=str(bench.folder), log=str(folder / "log"))
    with open_lab(), Session("build", options) as session:
        plane = Plane(session)
        found: dict[str, str] = {}

        def ours(what: str) -> float:
            seconds = timed(plane.ours)
            steps = (f"{name} {took:.1f} s" for name, took in plane.took.items())
            found[what] = f"{', '.join(steps)} in the last round."
            return seconds

        took = in_turns(
            rounds,
            {
                "made": lambda: ours("made"),
                "again": lambda: ours("again"),
                "removed": lambda: timed(plane.removed),
                "peer made": lambda: timed(lambda: plane.peer(batch)),
                "peer looked over": lambda: timed(lambda: _equal(plane)),
                "peer removed": lambda: timed(lambda: plane.peer(removal)),
            },
            report,
        )
    name = f"network of {guests} guests"
    return (
        Measure(
            f"{name}, made", took["made"], "s", PEER, took["peer made"], MADE,
            found=found["made"],
        ),
        Measure(
            f"{name}, nothing to do", took["again"], goal=AGAIN * guests / MANY,
            found=found["again"],
        ),
        Measure(f"{name}, removed", took["removed"], "s", PEER, took["peer removed"], REMOVED),
    )  # fmt: skip


def _equal(plane: Plane) -> None:
    """Check that the peer made the same network.

    Raises:
        FarswitchError: It did not.
    """
    if changes := plane.ours():
        raise FarswitchError(f"What the peer made needs {changes} changes: it is no fair peer.")


BENCHMARK = Benchmark(measure, guests=(MANY,))

if __name__ == "__main__":
    BENCHMARK.main()
