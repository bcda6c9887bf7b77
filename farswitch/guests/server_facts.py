"""What preflight found out about a server and later steps need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from nornir.core.inventory import Host

from farswitch.errors import FarswitchError
from farswitch.guests.domain import Accelerator
from farswitch.links.underlay import Underlay

FACTS = "facts"
"""The key of a server's facts in its Nornir data."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server is; memory and disk are free MiB."""

    underlay: Underlay
    accelerator: Accelerator
    memory: int
    disk: int


def facts_of(host: Host) -> Facts:
    """Return what preflight found out about a server.

    Raises:
        FarswitchError: It found that the server cannot be used.
    """
    if FACTS not in host.data:
        raise FarswitchError(f"'{host.name}' could not be asked for its facts.")
    return cast("Facts", host.data[FACTS])
