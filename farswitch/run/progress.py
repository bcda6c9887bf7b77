"""What is shown while a run is under way; where it is no terminal, a line a stage."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console

from farswitch.run.rows import Row
from farswitch.run.table import table_of, titles_of


class View:
    """Receive what goes on, from many worker threads, and show nothing."""

    def start(self) -> None:
        """Begin to show."""

    def stop(self) -> None:
        """Leave the screen to the report."""

    def message(self, line: str) -> None:
        """Show how far something is that is not a step."""

    def foresee(self, steps: Sequence[str]) -> None:
        """The run is to do these steps, in this order; one of them may be left out."""

    def stage(self, steps: Sequence[str], hosts: int) -> None:
        """So many hosts are about to do these steps."""

    def began(self, host: str, step: str) -> None:
        """A host began a step, in the thread that calls this."""

    def left(self, host: str, *, failed: bool) -> None:
        """A host has nothing more to do in this stage: it did all of it, or failed."""

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


def can_draw_anew(console: Console) -> bool:
    """Return whether what a console shows can be wiped: FORCE_COLOR makes no terminal of a log."""
    return console.is_interactive and console.file.isatty()
