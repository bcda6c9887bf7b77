"""What is shown while a run is under way: on a terminal its hosts, elsewhere its stages."""

from __future__ import annotations

import time
from contextlib import suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from farswitch.run.rows import Row
from farswitch.run.table import table_of, titles_of
from farswitch.run.terminal import shown

REFRESHES = 4
"""How often a second a terminal's view is drawn anew."""


class View:
    """Receive what goes on, from many worker threads, and show nothing."""

    def start(self) -> None:
        """Begin to show."""

    def stop(self) -> None:
        """Leave the screen to the report."""

    def message(self, line: str) -> None:
        """Show how far something is that is not a step."""

    def began(self, host: str, step: str) -> None:
        """A host began a step."""

    def left(self, host: str) -> None:
        """A host has nothing more to do in this stage."""

    def ended(self, row: Row) -> None:
        """All hosts ended a step, and another one began."""


class StageLines(View):
    """A line a row, as it ends: for a log, which has what was done and not how far it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._titles: tuple[str, ...] = ()

    def ended(self, row: Row) -> None:
        """Write the row, below its titles where the last row had others."""
        before, self._titles = self._titles, titles_of([row])
        with suppress(OSError):  # a full disk is no reason to end a build in the middle
            self._console.print(table_of(self._titles, [row], header=self._titles != before))


class HostLines(View):
    """A line a host, with its step and for how long: for a terminal, gone at the end."""

    def __init__(self, console: Console) -> None:
        self._at_work: dict[str, tuple[str, float]] = {}
        self._message = ""
        self._live = Live(
            console=console,
            get_renderable=self.table,
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

    def table(self) -> RenderableType:
        """Return what a terminal shows at this moment."""
        grid = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for host, (step, since) in self._at_work.copy().items():
            grid.add_row(shown(host), shown(step), f"{now - since:.0f} s")
        return Group(grid, shown(self._message)) if self._message else grid


def view_on(console: Console) -> View:
    """Return what shows a run on the console of its report."""
    return HostLines(console) if console.is_terminal else StageLines(console)
