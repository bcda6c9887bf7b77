"""The nft table that counts a matrix, and what is to be done about the one that is there; pure.

One set at the ingress of all ports, before the switch and any other rule sees a frame: so it is the
same for every kind of switch.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.errors import ForeignObjectError
from farswitch.firewall import nft
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort
from farswitch.templates import render_template

LEAST_ROOM = 65_535
"""Pairs that the set has room for, at least: of guests, and of addresses that are nobody's."""
FAMILY = "netdev"


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """The table as it is wanted.

    Attributes:
        ports: The names of the tunnels on the switch server.
        room: How many pairs of addresses are told apart.
        token: Which count it is of, where one must not take another's for its own.
    """

    ports: tuple[str, ...]
    room: int = LEAST_ROOM
    token: str = ""

    def mark(self, owner: Owner) -> str:
        """Return the comment of its rules: our mark, and a word of what it is."""
        what = f"{' '.join(self.ports)} {self.room}"
        return f"{owner.mark}:matrix-{zlib.crc32(what.encode()):08x}{self.token}"


@dataclass(frozen=True, slots=True)
class MatrixChange:
    """What is to be done: nft's text, and the line of a plan."""

    sign: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} table {FAMILY} {self.name}"


def wanted_matrix(ports: Sequence[SwitchPort], token: str = "") -> MatrixTable:
    """Return the table for the ports of a switch; the token is that of a count."""
    names = tuple(port.tunnel for port in ports)
    return MatrixTable(names, max(LEAST_ROOM, 2 * len(ports) ** 2), token)


def plan(
    have: list[nft.Json], want: MatrixTable | None, owner: Owner, *, server: str
) -> MatrixChange | None:
    """Compare the table that is there with the wanted one, or with none.

    Raises:
        ForeignObjectError: A table of our name lacks our mark.
    """
    name = owner.guard_table
    if have and not is_ours(have, owner):
        hint = f"Look: nft list table {FAMILY} {name}. Remove it, or rename the cluster."
        raise ForeignObjectError(f"nft table ({FAMILY})", name, server, hint=hint)
    if want is None:
        return MatrixChange("-", name, f"delete table {FAMILY} {name}\n") if have else None
    if have and nft.marked(have, want.mark(owner)):
        return None
    text = render_template(
        "matrix/matrix.nft.j2",
        owner=owner,
        ports=want.ports,
        size=want.room,
        mark=want.mark(owner),
        present=bool(have),
    )
    return MatrixChange("~" if have else "+", name, text)


def is_ours(listed: list[nft.Json], owner: Owner) -> bool:
    """Tell whether a rule of a listed table has the owner's mark."""
    comments = (entry["rule"].get("comment", "") for entry in listed if "rule" in entry)
    return any(one.startswith(f"{owner.mark}:") for one in comments)


def removal(owner: Owner, mark: str = "", first: str = "") -> str:
    """Return the script that removes the table, if there is one, and where given with that mark.

    What comes `first` is another script, which is run only where the table is removed then.
    """
    table = f"table {FAMILY} {owner.guard_table}"
    only = f"nft list {table} 2>/dev/null | grep -qF '\"{mark}\"' && " if mark else ""
    before = f"{{ {first}; true; }} && " if first else ""
    return f"{only}{before}nft delete {table} 2>/dev/null || true"
