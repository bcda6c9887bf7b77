"""Node sets: the names of guests as `node[1-3]`, and how a list of them grows and shrinks."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

from farswitch.errors import ConfigError
from farswitch.model.settings import NO_MORE_PORTS, PORTS_PER_BRIDGE

NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""An RFC 1123 label in lower case. It starts with a letter, so that no tool takes it for an address
or an option."""
NAME_WANTED = (
    "a name of 1 to 63 of a-z, 0-9 and '-', with a letter first and no '-' at the end (RFC 1123)"
)
SHOWN_LENGTH = 80
RESERVED = frozenset(
    {"localhost", "localhost4", "localhost6", "broadcasthost"}
    | {f"ip6-{name}" for name in ("localhost", "loopback", "localnet", "mcastprefix")}
    | {f"ip6-{name}" for name in ("allnodes", "allrouters", "allhosts")}
)
"""What /etc/hosts of Debian, Fedora and others has for every machine."""
_NUMBERS = r"[0-9]{1,9}(-[0-9]{1,9}(/[0-9]{1,9})?)?"
_PART = re.compile(rf"([a-z0-9-]|\[{_NUMBERS}(,{_NUMBERS})*\])+")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_COMMA_OUTSIDE = re.compile(r",(?![^\[\]]*\])")
_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)", re.DOTALL)


def expand(text: str) -> tuple[str, ...]:
    """Return the names of a node set in the order in which they are written.

    It is a name, or a set as `node[1-16]`, `node[01-16]`, `a[1-3],b7`; no groups (`@all`).

    Raises:
        ConfigError: The text is no node set, or names more guests than a bridge has ports.
    """
    if not set("[],@") & set(text):
        check_name(text)
    names: list[str] = []
    for part in _COMMA_OUTSIDE.split(text):
        if not _PART.fullmatch(part):
            raise ConfigError(
                f"{shown(text)} is no node set, wanted one such as node[1-3] or a1,b7."
            )
        if _count(part) > PORTS_PER_BRIDGE:
            raise ConfigError(
                f"{shown(part)} names {_count(part)} guests, wanted {PORTS_PER_BRIDGE} at most: "
                f"{NO_MORE_PORTS}."
            )
        try:
            found = list(NodeSet(part, resolver=RESOLVER_NOGROUP))
        except NodeSetException as error:
            raise ConfigError(
                f"{shown(text)} is no node set ({error}), wanted one such as node[1-3]."
            ) from error
        if len(found) < _count(part):
            raise ConfigError(f"{shown(part)} names a guest twice, wanted each name once.")
        names += found
    for name in names:
        check_name(name)
    return tuple(names)


def fold(names: Iterable[str]) -> str:
    """Return names as a node set, as in `node[1-3]`: `expand` of it gives the same names."""
    return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))


def fold_hosts(names: Iterable[str]) -> str:
    """Return names of any hosts for people: as a node set where all of them can be in one."""
    names = list(names)
    return fold(names) if all(map(NAME.fullmatch, names)) else ",".join(names)


def check_name(name: str) -> None:
    """Raise a ConfigError when a server or guest cannot have this name."""
    if name in RESERVED:
        raise ConfigError(f"{shown(name)} is a name of every machine for itself, wanted another.")
    if not NAME.fullmatch(name):
        raise ConfigError(f"{shown(name)} cannot be a name, wanted {NAME_WANTED}.")


def resized(names: Sequence[str], count: int, taken: Collection[str] = ()) -> tuple[str, ...]:
    """Return `count` names: the first ones, then the last one's number counted on.

    No new guest gets a name that is `taken`; its number is left out.

    Raises:
        ConfigError: Names must be made, and the last one has no number at its end.
    """
    if count <= len(names):
        return tuple(names[:count])
    match = _LAST_NUMBER.fullmatch(names[-1])
    if match is None:
        raise ConfigError(
            f"Guests after '{names[-1]}' have no names, as it ends with no number: "
            f"wanted {len(names)} guests at most, or a set such as node[1-3] at the site's end."
        )
    stem, digits = match.groups()
    made, number, used = list(names), int(digits), {*names, *taken}
    while len(made) < count:
        number += 1
        name = f"{stem}{number:0{len(digits)}d}"
        if name not in used:
            check_name(name)
            made.append(name)
    return tuple(made)


def shown(text: str) -> str:
    """Return text that a user wrote in quotes, without control characters and not too long."""
    plain = escaped(text)
    return f"'{plain}'" if len(plain) <= SHOWN_LENGTH else f"'{plain[:SHOWN_LENGTH]}...'"


def escaped(text: str) -> str:
    """Return text in printable characters of ASCII."""
    return text.encode("unicode_escape").decode("ascii")


def _count(part: str) -> int:
    """Count the names of a set before they are made: `node[1-999999999]` must cost nothing."""
    return math.prod(
        sum(_size(*re.split("[-/]", item)) for item in bracket.split(","))
        for bracket in _BRACKET.findall(part)
    )


def _size(first: str, last: str | None = None, step: str = "1") -> int:
    return max(0, int(last or first) - int(first)) // max(1, int(step)) + 1
