"""What preflight found out about a server and later steps need."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.guests.domain import Accelerator
from farswitch.links.underlay import Underlay


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server is; memory and disk are free MiB."""

    underlay: Underlay
    accelerator: Accelerator
    memory: int
    disk: int
