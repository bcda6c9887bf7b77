"""What a cell does to ports, as a study's file writes it in one text.

`none`, or guests, a direction and words, several with `;` between them:
`node2 to_guest delay 2ms loss 0.1%; node[3-4] from_guest rate 100Mbit; node5 link down`.
"""

from __future__ import annotations

from typing import Any

from farswitch.errors import ConfigError
from farswitch.model.field_types import refuse_if
from farswitch.model.impairment import DIRECTIONS, PortImpairment
from farswitch.model.node_names import expand

NO_IMPAIRMENT = "none"


def ports_of(text: str) -> dict[str, PortImpairment]:
    """Return what is done to ports, by guest.

    Raises:
        ValueError: The text says nothing of that kind.
    """
    if text.strip() == NO_IMPAIRMENT:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for clause in text.split(";"):
        guests, _, rest = clause.strip().partition(" ")
        key, _, words = rest.strip().partition(" ")
        refuse_if(key not in {*DIRECTIONS, "link"} or not words)
        for guest in _guests(guests):
            refuse_if(key in found.setdefault(guest, {}))
            found[guest][key] = words
    return {guest: PortImpairment.model_validate(ports) for guest, ports in found.items()}


def parse_impair(value: object) -> str:
    """Return the text where it can be meant."""
    refuse_if(not isinstance(value, str))
    try:
        ports_of(str(value))
    except ValueError as error:  # pydantic's own would name keys that the file has not
        raise ValueError(value) from error
    return str(value)


def _guests(text: str) -> tuple[str, ...]:
    try:
        return expand(text)
    except ConfigError as error:
        raise ValueError from error
