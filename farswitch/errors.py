"""The one root of errors, and the kinds that every layer raises."""

from __future__ import annotations

FOREIGN_HINT = "Remove it, or choose another name or vni_base in the site."


class FarswitchError(Exception):
    """Something failed; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(FarswitchError):
    """What the user wrote or typed cannot be meant: exit code 2, nothing was touched."""


class ForeignObjectError(FarswitchError):
    """An object stands under our name without our mark; it is never replaced."""

    def __init__(self, kind: str, name: str, server: str, *, hint: str = "") -> None:
        super().__init__(
            f"{kind} '{name}' on server '{server}' exists without our mark.",
            hint=hint or FOREIGN_HINT,
        )
        self.kind = kind
        self.name = name
        self.server = server
