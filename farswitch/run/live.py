"""A run on a terminal while it is under way: drawn anew four times a second, gone at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from farswitch.deadline import awaited_by
from farswitch.run.moment import AtWork, Moment
from farswitch.run.progress import StageLines, View, can_draw_anew
from farswitch.run.rows import Row

REFRESHES = 4
"""How often a second a terminal's view is drawn anew."""
NOTICED = 1.0
"""Seconds of a wait from which on its deadline is shown: commands that take less come and go."""


class LiveView(View):
    """The stages behind, at work and ahead, and each host's step, its time and its deadline."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._behind: dict[str, Row] = {}
        self._since: dict[str, float] = {}
        self._ahead: list[str] = []
        self._at_work: dict[str, tuple[str, float, int]] = {}
        self._hosts = self._through = self._failed = 0
        self._message = ""
        self._live = Live(
            console=console,
            get_renderable=self.text,
            refresh_per_second=REFRESHES,
            transient=True,
            vertical_overflow="crop",
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

    def foresee(self, steps: Sequence[str]) -> None:
        """Show the steps as those ahead."""
        with self._lock:
            self._ahead = list(steps)

    def stage(self, steps: Sequence[str], hosts: int) -> None:
        """Put the steps in front of those ahead; what was foreseen before them does not come."""
        with self._lock:
            self._hosts, self._through, self._failed = hosts, 0, 0
            known = [self._ahead.index(step) for step in steps if step in self._ahead]
            later = self._ahead[max(known) + 1 :] if known else self._ahead
            self._ahead = [*steps, *later]

    def began(self, host: str, step: str) -> None:
        """Show the step and start its clock."""
        now = time.monotonic()
        with self._lock:
            self._message = ""
            self._at_work[host] = step, now, threading.get_ident()
            self._since.setdefault(step, now)
            self._behind.pop(step, None)
            if step in self._ahead:
                self._ahead.remove(step)

    def left(self, host: str, *, failed: bool) -> None:
        """Take the host's line away, and count it."""
        with self._lock:
            self._at_work.pop(host, None)
            self._through += not failed
            self._failed += failed

    def ended(self, row: Row) -> None:
        """Show the step as done."""
        with self._lock:
            self._since.pop(row.name, None)
            self._behind[row.name] = row

    def moment(self) -> Moment:
        """Return what there is to show now."""
        now = time.monotonic()
        with self._lock:
            return Moment(
                behind=tuple(self._behind.values()),
                at_work=[
                    AtWork(host, step, now - since, _left(thread))
                    for host, (step, since, thread) in self._at_work.items()
                ],
                ahead=tuple(self._ahead),
                since=[(step, now - since) for step, since in self._since.items()],
                hosts=self._hosts,
                through=self._through,
                failed=self._failed,
                message=self._message,
            )

    def text(self) -> Text:
        """Return what the terminal, as large as it is now, shows at this moment."""
        width, height = self._console.size
        return Text("\n", no_wrap=True).join(self.moment().lines(width, height - 1))


def _left(thread: int) -> float | None:
    """Return the seconds until a thread gives up what it waits for, where it waits for long."""
    deadline = awaited_by(thread)
    if deadline is None:
        return None
    left = deadline.remaining()
    return left if deadline.seconds - left >= NOTICED else None


def view_on(console: Console) -> View:
    """Return what shows a run on the console of its report."""
    return LiveView(console) if can_draw_anew(console) else StageLines(console)


def view_on_terminal(console: Console) -> View:
    """Return what shows a run on a terminal alone."""
    return LiveView(console) if can_draw_anew(console) else View()
