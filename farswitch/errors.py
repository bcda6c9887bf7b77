"""The one root of errors, and the kinds that every layer raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FOREIGN_HINT = "Remove it, or choose another name or vni_base in the site."


class FarswitchError(Exception):
    """Something failed; `hint` says what to do next.

    `usage`: what was wanted cannot be meant, or does not fit: exit code 2, nothing was touched.
    """

    usage = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(FarswitchError):
    """What the user wrote or typed cannot be meant: exit code 2, nothing was touched."""

    usage = True


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a server from carrying its part of a cluster, and what removes it.

    Attributes:
        what: One sentence: the server, the object, the cause.
        remedy: What to do, to be followed literally.
        foreign: Somebody else's object has a name of ours; nothing is wrong with the site.
    """

    what: str
    remedy: str
    foreign: bool = False


class ObstaclesError(FarswitchError):
    """A server cannot carry its part of a cluster; nothing was touched."""

    def __init__(self, obstacles: Sequence[Obstacle]) -> None:
        """Name every obstacle, and each remedy once."""
        self.obstacles = tuple(dict.fromkeys(obstacles))
        remedies = dict.fromkeys(obstacle.remedy for obstacle in self.obstacles)
        super().__init__(
            "\n".join(obstacle.what for obstacle in self.obstacles), hint="\n".join(remedies)
        )
        self.usage = not all(obstacle.foreign for obstacle in self.obstacles)


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
