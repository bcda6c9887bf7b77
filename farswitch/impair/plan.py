"""What should be done to frames at the ends of tunnels, compared with what is done; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farswitch.errors import FarswitchError, ForeignObjectError, Obstacle
from farswitch.impair.observe import EndState, ImpairedEnds, KernelAbilities
from farswitch.model.cluster import Cluster
from farswitch.model.impairment import Impairment, PortImpairment
from farswitch.model.machines import Server


@dataclass(frozen=True, slots=True)
class PortWish:
    """What should become of a guest's port; what is None is left as it is."""

    to_guest: Impairment | None = None
    from_guest: Impairment | None = None
    up: bool | None = None

    @classmethod
    def whole(cls, port: PortImpairment) -> PortWish:
        """Return the wish for all of a port."""
        none = Impairment()
        return cls(port.to_guest or none, port.from_guest or none, port.link is None)


def site_wishes(cluster: Cluster) -> dict[str, PortWish]:
    """Return what the site says of each port; one that it does not name does nothing."""
    declared, none = cluster.impairments, PortImpairment()
    return {guest.name: PortWish.whole(declared.get(guest.name, none)) for guest in cluster.guests}


@dataclass(frozen=True, slots=True)
class PortEnd:
    """An end of a guest's tunnel, and what should be done to what leaves it; None: as it is.

    Attributes:
        direction: "to_guest" on the switch server, "from_guest" on the hypervisor.
        up: Whether it should be up; None: as it is.
    """

    guest: str
    device: str
    direction: str
    want: Impairment | None
    up: bool | None = None


@dataclass(frozen=True, slots=True)
class EndChange:
    """A tunnel's end that is not as it should be."""

    end: PortEnd
    have: EndState

    @property
    def shaped(self) -> bool:
        """Whether something else should be done to frames."""
        wanted = self.end.want
        return wanted is not None and (self.have.done != wanted or bool(self.have.fault))

    @property
    def moved(self) -> bool:
        """Whether it should be up and is down, or the other way round."""
        return self.end.up is not None and self.end.up != self.have.up

    def __str__(self) -> str:
        parts = []
        if self.shaped:
            parts.append(f"{self.have.done or 'none'} -> {self.end.want or 'none'}")
        if self.moved:
            words = ("up", "down") if self.have.up else ("down", "up")
            parts.append(f"link {' -> '.join(words)}")
        what = f"{self.end.direction} of {self.end.guest} ({self.end.device})"
        return f"~ impairment {what}: {', '.join(parts)}"


def port_ends(
    cluster: Cluster, server: Server, wishes: Mapping[str, PortWish]
) -> tuple[PortEnd, ...]:
    """Return the ends that a server has of the ports of some guests, as they should be."""
    if server.role == "switch":
        return tuple(
            PortEnd(guest.name, guest.tunnel, "to_guest", wish.to_guest, wish.up)
            for guest in cluster.guests
            if (wish := wishes.get(guest.name)) and (wish.to_guest, wish.up) != (None, None)
        )
    return tuple(
        PortEnd(guest.name, guest.tunnel, "from_guest", wish.from_guest)
        for guest in cluster.guests_of(server.name)
        if (wish := wishes.get(guest.name)) and wish.from_guest is not None
    )


def plan(
    have: ImpairedEnds, want: Sequence[PortEnd], *, server: str, foreseen: bool = False
) -> list[EndChange]:
    """Compare what is there with what is wanted; what is missing may be `foreseen` to be made.

    Raises:
        ForeignObjectError: Somebody else shapes an interface that is to be impaired.
        FarswitchError: One is not there.
    """
    changes = []
    for end in want:
        state = have.ends.get(end.device, EndState(0, up=True) if foreseen else None)
        if state is None:
            if not end.want and end.up is not False:
                continue
            raise FarswitchError(
                f"The port of '{end.guest}' ('{end.device}') is not on '{server}'.",
                hint="Build the cluster first: farswitch build",
            )
        change = EndChange(end, state)
        if not (change.shaped or change.moved):
            continue
        if state.foreign and end.want:
            raise ForeignObjectError(
                f"A queueing discipline '{state.foreign.kind}' ({state.foreign.handle >> 16:x}:) "
                "at the root of interface",
                end.device,
                server,
                hint=f"If nobody needs it: tc qdisc del dev {end.device} root (on '{server}')",
            )
        changes.append(change)
    return changes


def of_kernel(want: Sequence[PortEnd]) -> bool:
    """Tell whether it matters what a kernel can: a rate can all."""
    return any(end.want and (end.want.delay or end.want.per_frame) for end in want)


def refused(
    want: Sequence[PortEnd], kernel: KernelAbilities, *, server: str, lab: bool
) -> list[Obstacle]:
    """Return why a server cannot do what is wanted."""
    if not kernel.netem:
        return []
    no_netem = f"The kernel of '{server}' has no netem ({kernel.netem})"
    wanted, found = [end.want for end in want if end.want], []
    keys = {key for one in wanted for key in one.needs_netem}
    if not lab and any(one.delay for one in wanted):
        keys.add("delay")
    if keys:
        found.append(f"{no_netem}, so its ports cannot {', '.join(sorted(keys))} frames.")
    if kernel.forwarding and any(one.loss or one.delay for one in wanted):
        found.append(
            f"{no_netem}, and no nft rule can forward what leaves an interface "
            f"({kernel.forwarding}), so its ports can only have a rate."
        )
    return [Obstacle(sentence, NETEM_HINT) for sentence in found]


NETEM_HINT = (
    "Load it there: modprobe sch_netem (RHEL: dnf install kernel-modules-extra). "
    "Without it a server's port has a rate and, from Linux 5.17 on, loss."
)
