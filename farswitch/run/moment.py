"""A moment of a run as lines of a terminal: stages behind, at work and ahead, and the hosts.

Nothing but ASCII of ours, and never more lines than there are: what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.text import Text

from farswitch.model.node_names import fold_hosts
from farswitch.run.rows import Row
from farswitch.run.terminal import safe

INDENT = 7
"""Columns of the words before the stages."""
LEAST = 20
"""Columns that we do not go below: what is wider than the terminal is cut."""
HOSTS, SHARE = 4, 4
"""Lines that are for the hosts alone. Each of the three lists of stages takes at most this part of
the others, and leaves the hosts what it does not need."""
_ONE_LINE = str.maketrans("\n\t", "  ")
_UNBROKEN = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class AtWork:
    """A host's step: seconds since it began, and until it gives up what it waits for."""

    host: str
    step: str
    seconds: float
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What is shown. Of the hosts of the stage, `through` have done all of its steps."""

    behind: Sequence[Row] = ()
    at_work: Sequence[AtWork] = ()
    ahead: Sequence[str] = ()
    since: Sequence[tuple[str, float]] = ()
    """Each step at work with the seconds since its first host began it."""
    hosts: int = 0
    through: int = 0
    failed: int = 0
    message: str = ""

    def lines(self, width: int, height: int) -> list[Text]:
        """Return at most so many lines of at most so many columns."""
        most = max(1, (height - HOSTS) // SHARE)
        now = [f"{step} {seconds:.0f} s" for step, seconds in self.since]
        if now and self.hosts > 1:
            now.append(f"{self.through} of {self.hosts} hosts done")
        if self.failed:
            now.append(f"{self.failed} failed")
        top = [
            *_listed("done", [_ended(row) for row in self.behind], width, most, _latest),
            *_listed("now", now, width, most, _latest),
            *_listed("ahead", self.ahead, width, most, _next),
        ]
        end = [self.message] if self.message else []
        hosts = self._hosts(width, height - len(top) - len(end))
        return [_styled(line, width) for line in [*top, *hosts, *end][:height]]

    def _hosts(self, width: int, room: int) -> list[str]:
        """Return a line for all hosts at one step, the step first that began first."""
        places = {step: place for place, (step, _) in enumerate(self.since)}
        steps: dict[str, list[AtWork]] = {}
        for one in sorted(self.at_work, key=lambda one: places.get(one.step, 0)):
            steps.setdefault(one.step, []).append(one)
        left_out = 0
        while len(steps) + (left_out > 0) > room and steps:
            left_out += len(steps.popitem()[1])
        names = {step: _names(alike, width // 2) for step, alike in steps.items()}
        columns = max(map(len, names.values()), default=0), max(map(len, steps), default=0)
        lines = [
            f"{names[step]:<{columns[0]}}  {step:<{columns[1]}}  {_times(alike)}"
            for step, alike in steps.items()
        ]
        return [*lines, f"and {left_out} more host{'s' * (left_out > 1)}"] if left_out else lines


def _names(alike: Sequence[AtWork], longest: int) -> str:
    """Return the names of hosts as a node set, cut where it is too long, with their number."""
    names = [one.host for one in alike]
    if len(names) == 1:
        return names[0]
    folded = fold_hosts(names)
    count = f" ({len(names)})"
    room = longest - len(count)
    return f"{folded if len(folded) <= room else f'{folded[: max(0, room - 3)]}...'}{count}"


def _times(alike: Sequence[AtWork]) -> str:
    """Return for how long hosts are at a step, and when the first of them gives up."""
    seconds = sorted(round(one.seconds) for one in alike)
    span = f"{seconds[0]}-{seconds[-1]}" if seconds[0] < seconds[-1] else f"{seconds[0]}"
    limits = [one.seconds + one.left for one in alike if one.left is not None]
    return f"{span} s of {min(limits):.0f} s" if limits else f"{span} s"


def _ended(row: Row) -> str:
    failed = len(row.failed) + sum(check.ok is False for check in row.checks)
    return f"{row.name} {row.seconds:.1f} s" + (f" ({failed} failed)" if failed else "")


def _latest(items: Sequence[str], left_out: int) -> list[str]:
    return [*([f"{left_out} earlier"] if left_out else []), *items[left_out:]]


def _next(items: Sequence[str], left_out: int) -> list[str]:
    kept = items[: len(items) - left_out]
    return [*kept, *([f"{left_out} more"] if left_out else [])]


def _listed(
    word: str,
    items: Sequence[str],
    width: int,
    most: int,
    without: Callable[[Sequence[str], int], list[str]],
) -> list[str]:
    """Return items in at most so many lines, without some of them where they are too many."""
    lines: list[str] = []
    for left_out in range(len(items)):
        text = ", ".join(one.replace(" ", _UNBROKEN) for one in without(items, left_out))
        lines = wrap(text, max(LEAST, width - INDENT), break_on_hyphens=False)
        if len(lines) <= most:
            break
    plain = [line.replace(_UNBROKEN, " ") for line in lines[:most]]
    return [f"{'' if number else word:<{INDENT}}{line}" for number, line in enumerate(plain)]


def _styled(line: str, width: int) -> Text:
    text = Text(safe(line).translate(_ONE_LINE), no_wrap=True, overflow="crop")
    text.highlight_regex(r"^(done|now|ahead) ", "bold")
    text.highlight_regex(r"\d+ failed", "red")
    text.truncate(width, overflow="crop")
    return text
