"""What one look at a server finds of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farswitch.connections.libvirt.domains import Usage
from farswitch.connections.netlink.links import Link
from farswitch.errors import FarswitchError
from farswitch.links.underlay import Underlay


@dataclass(frozen=True, slots=True)
class ServerLook:
    """One look at a server.

    Attributes:
        underlay: Its side of the underlay, or why that is not what the site says.
        links: Every interface, with its counters.
        at: When they were counted, in seconds of the controller's monotonic clock.
        usages: What each domain uses, by name; none on the switch.
        uptimes: For how many seconds each running domain's process runs, by name.
    """

    underlay: Underlay | FarswitchError
    links: tuple[Link, ...]
    at: float
    usages: Mapping[str, Usage] = field(default_factory=dict)
    uptimes: Mapping[str, int] = field(default_factory=dict)

    def link(self, name: str) -> Link | None:
        """Return the interface of that name, if there is one."""
        return next((link for link in self.links if link.name == name), None)
