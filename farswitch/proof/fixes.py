"""What mends a server, as lines that one types on the controller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from farswitch.proof.context import Context


@dataclass(frozen=True, slots=True)
class Fixes:
    """The command of the build, and what makes the line that runs a program on one server."""

    rebuild: str
    command: Callable[[Sequence[str]], str]

    @classmethod
    def of(cls, context: Context, server: str) -> Fixes:
        """Return them for one server."""
        return cls(context.rebuild, partial(context.command, server))

    def then_build(self, argv: Sequence[str]) -> str:
        """Return the line that runs a program on the server, and builds."""
        return f"{self.command(argv)} && {self.rebuild}"
