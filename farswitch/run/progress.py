"""What is shown while a run is under way: on a terminal its hosts, elsewhere its stages."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from farswitch.run.recorder import Row
from farswitch.run.table import table, titles_of
from farswitch.run.terminal import shown

REFRESHES = 4
"""How often a second a terminal's view is drawn anew."""


class Lines:
    """A line a row, as it ends: for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._titles: tuple[str, ...] = ()

    def start(self) -> None:
        """Nothing: the first row brings the titles."""

    def stop(self) -> None:
        """Nothing: each row was written when it ended."""

    def message(self, line: str) -> None:
        """Nothing: a log has what was done, not how far it is."""

    def began(self, host: str, step: str) -> None:
        """Nothing."""

    def left(self, host: str) -> None:
        """Nothing."""

    def ended(self, row: Row) -> None:
        """Write the row, below its titles where the last row had others."""
        before, self._titles = self._titles, titles_of([row])
        self._console.print(table(self._titles, [row], header=self._titles != before))


class Hosts:
    """A line a host, with its step and for how long: for a terminal, gone at the end."""

    def __init__(self, console: Console) -> None:
        self._at_work: dict[str, tuple[str, float]] = {}
        self._message = ""
        self._live = Live(
            console=console,
            get_renderable=self.view,
            refresh_per_second=REFRESHES,
            transient=True,
        )

    def start(self) -> None:
        """Draw from now on."""
        self._live.start()

    def stop(self) -> None:
        """Wipe the view."""
        self._live.stop()

    def message(self, line: str) -> None:
        """Show the line below the hosts, until a host begins a step."""
        self._message = line

    def began(self, host: str, step: str) -> None:
        """Show the step and start its clock."""
        self._message = ""
        self._at_work[host] = step, time.monotonic()

    def left(self, host: str) -> None:
        """Take the host's line away."""
        self._at_work.pop(host, None)

    def ended(self, row: Row) -> None:
        """Nothing: the report has the table."""

    def view(self) -> RenderableType:
        """Return what a terminal shows at this moment."""
        grid = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for host, (step, since) in self._at_work.copy().items():
            grid.add_row(shown(host), shown(step), f"{now - since:.0f} s")
        return Group(grid, shown(self._message)) if self._message else grid


Progress = Lines | Hosts


def progress_on(console: Console) -> Progress:
    """Return what shows a run on the console of its report."""
    return Hosts(console) if console.is_terminal else Lines(console)
