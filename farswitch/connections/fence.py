"""What stands between a run and the hosts: once it is shut, nothing more is changed."""

from __future__ import annotations

from collections.abc import Callable

from farswitch.errors import FarswitchError


class Fence:
    """Asked before each request of a run; open until a guard raises or it is shut.

    A run that only looks has no guards, and its fence stays open.
    """

    def __init__(self) -> None:
        self._guards: list[Callable[[], None]] = []
        self._shut: FarswitchError | None = None

    def add(self, guard: Callable[[], None]) -> None:
        """Ask this guard too from now on; it raises when the run has lost its right."""
        self._guards.append(guard)

    def shut(self, error: FarswitchError) -> None:
        """Let nothing pass any more."""
        self._shut = self._shut or error

    def open(self) -> None:
        """Forget all guards: the run has ended in good order."""
        self._guards.clear()

    def check(self) -> None:
        """Return at once while the run may change anything.

        Raises:
            FarswitchError: It may not: a lock was lost, or the run was ended.
        """
        if self._shut is not None:
            raise self._shut
        for guard in tuple(self._guards):
            try:
                guard()
            except FarswitchError as error:
                self.shut(error)
                raise
