"""No switch at all: two tunnels joined straight in the kernel, by which all others are judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from nornir.core.inventory import Host

from farswitch.connections.access import shell
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort, SwitchState, Traits

JOINED = 2
"""The first two ports; from a further one frames lead nowhere."""


class BareUnderlay(Switch):
    """What comes in at one of two tunnels goes out at the other, before anything looks at it.

    It is a redirection of traffic control (tc-mirred(8)), which goes with the tunnels.
    """

    kind: ClassVar[str] = "underlay"

    @property
    def traits(self) -> Traits:
        return Traits("tunnel", "socket", places=False)

    def observe(self, host: Host, _owner: Owner) -> SwitchState:
        """Read which interfaces have a place for it."""
        listed = json.loads(shell(host).run(("tc", "-j", "qdisc", "show")).stdout or "[]")
        return SwitchState(frozenset(one["dev"] for one in listed if one["kind"] == "clsact"))

    def plan(self, have: SwitchState, ports: Sequence[SwitchPort], _owner: Owner) -> list[str]:
        """Return the commands of `tc` that are missing."""
        names = [port.device for port in ports]
        first = names[:JOINED]
        return [
            *(f"qdisc add dev {name} clsact" for name in names if name not in have.held),
            *(
                f"filter add dev {one} ingress protocol all u32 match u32 0 0 "
                f"action mirred egress redirect dev {other}"
                for one, other in zip(first, reversed(first), strict=True)
                if one not in have.held
            ),
        ]

    def apply(self, host: Host, _owner: Owner, changes: Sequence[str]) -> None:
        """Run them as one batch."""
        shell(host).run(("tc", "-batch", "-"), stdin="".join(f"{line}\n" for line in changes))

    def describe(self, _host: Host, _owner: Owner) -> Mapping[str, str]:
        """Return what it is."""
        return {"what": "two tunnels joined straight by tc, without a switch"}
