"""One judgement of verify: what was measured, what was expected, and the fix when they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

APART = 64
"""Guests up to which each has a verdict of its own on each other, also where all is well."""


@dataclass(frozen=True, slots=True)
class Check:
    """A named verdict about one host.

    `ok` is None where it was not judged: `measured` says why then. `cause` is a sentence with what
    usually leads to the failure, `fix` the command that mends it as one types it on the controller,
    or a sentence where no command can.
    """

    name: str
    host: str
    ok: bool | None
    measured: str
    expected: str
    cause: str = ""
    fix: str = ""

    @property
    def family(self) -> str:
        """What the name starts with: the checks of a family are chosen and shown together."""
        return self.name.partition(".")[0]

    @property
    def hint(self) -> str:
        """Cause and fix as a person reads them."""
        return "\n".join(part for part in (self.cause, self.fix and f"Fix: {self.fix}") if part)


def skipped(name: str, host: str, why: str, expected: str = "") -> Check:
    """Return the check that was not made, with the reason."""
    return Check(name, host, ok=None, measured=f"not probed: {why}", expected=expected)


def folded(checks: Iterable[Check], guests: int) -> Iterator[Check]:
    """Yield one guest's verdicts on its way to each of so many; what passed is one a name of many.

    Those of 900 guests would be 1.6 million. What failed or was not made has its own in any case.
    """
    if guests <= APART:
        yield from checks
        return
    passed: dict[str, Check] = {}
    count: Counter[str] = Counter()
    for check in checks:
        if not check.ok:
            yield check
            continue
        passed.setdefault(check.name, check)
        count[check.name] += 1
    for name, first in passed.items():
        others = f"; {count[name] - 1} more like it" if count[name] > 1 else ""
        yield replace(
            first, measured=f"{first.measured}{others}", expected=f"{first.expected}{others}"
        )
