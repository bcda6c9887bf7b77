"""One judgement of verify: what was measured, what was expected, and the fix when they differ."""

from __future__ import annotations

from dataclasses import dataclass


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
