"""The MTU of the data network: derived from the underlay, and set on each hop that has another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from farswitch.connections.netlink.batch import batched
from farswitch.connections.netlink.edit_links import set_mtu, set_mtu_quietly
from farswitch.connections.netlink.links import Link, Session, dump
from farswitch.errors import ConfigError, FarswitchError
from farswitch.links.underlay import Underlay
from farswitch.model.field_types import MTU_MIN
from farswitch.model.links import MtuHop


@dataclass(frozen=True, slots=True)
class MtuChange:
    """A hop whose MTU is not as wanted."""

    name: str
    found: int
    wanted: int

    def __str__(self) -> str:
        return f"~ {self.name} mtu {self.found} -> {self.wanted}"


def derive(wanted: int | None, underlays: Sequence[Underlay], built: int = 0) -> int:
    """Compute the MTU of the data network.

    Args:
        wanted: The site's number, or None: as large as the underlay allows.
        underlays: Of every server.
        built: What the cluster was built with; an underlay that lost some of it since is a fault
            to be repaired, no wish for a smaller cluster.

    Returns:
        The MTU, in bytes of IP packet.

    Raises:
        ConfigError: The site's number, or the cluster as built, does not fit through the underlay,
            or no cluster does.
    """
    narrowest = min(underlays, key=lambda underlay: underlay.mtu - underlay.overhead)
    largest = narrowest.mtu - narrowest.overhead
    if largest < MTU_MIN:
        raise ConfigError(
            f"'{narrowest.device}' on '{narrowest.server}' has MTU {narrowest.mtu}, which leaves "
            f"{largest} after {narrowest.overhead} of VXLAN, wanted at least {MTU_MIN}.",
            hint=f"Raise the MTU of the underlay (on '{narrowest.server}': ip link set dev "
            f"{narrowest.device} mtu {MTU_MIN + narrowest.overhead}, or more), or that of the "
            "route there.",
        )
    if wanted is not None and wanted > largest:
        raise ConfigError(
            f"MTU {wanted} does not fit: '{narrowest.device}' on '{narrowest.server}' has MTU "
            f"{narrowest.mtu}, which leaves {largest} after {narrowest.overhead} of VXLAN.",
            hint=f"Write 'mtu: auto' or at most {largest}, or raise the MTU of the underlay.",
        )
    if wanted is None and built > largest:
        raise ConfigError(
            f"The cluster was built with MTU {built}, and '{narrowest.device}' on "
            f"'{narrowest.server}' has MTU {narrowest.mtu} now, which leaves {largest}.",
            hint=f"Set MTU {built + narrowest.overhead} there again (on '{narrowest.server}': ip "
            f"link set dev {narrowest.device} mtu {built + narrowest.overhead}), or write "
            f"'mtu: {largest}' into the site to make the cluster's smaller.",
        )
    return largest if wanted is None else wanted


def plan(have: Sequence[Link], hops: Sequence[MtuHop], size: int) -> list[MtuChange]:
    """List the hops whose MTU differs; a tap that is not in its guest's bridge is not ours."""
    links = {link.name: link for link in have}
    return [
        MtuChange(hop.name, link.mtu, size)
        for hop in hops
        if (link := links.get(hop.name)) and hop.bridge in {None, link.master} and link.mtu != size
    ]


def apply(
    ipr: Session,
    have: Sequence[Link],
    changes: Sequence[MtuChange],
    *,
    hops: Sequence[MtuHop],
    server: str,
    singly: bool = True,
) -> None:
    """Make the changes of a plan on a server, and read them back.

    The plan was made for the hops, and saw `have`: every interface of the server. `singly` and
    RefusedError are as those of `farswitch.links.apply.apply`.

    Raises:
        FarswitchError: An interface is missing, or does not take or keep its MTU.
        RefusedError: The kernel refused one of many.
    """
    if absent := missing(have, hops):
        raise FarswitchError(
            f"Interfaces are missing on '{server}': {', '.join(absent)}.",
            hint="Run the build again: it makes what is missing.",
        )
    taps = {hop.name for hop in hops if hop.bridge}
    with nullcontext(ipr) if singly else batched(ipr) as edits:
        for change in changes:
            if change.name in taps:
                set_mtu(edits, change.name, change.wanted)
            else:
                set_mtu_quietly(edits, change.name, change.wanted, change.found)
    if changes:
        for wrong in plan(dump(ipr), hops, changes[0].wanted):
            raise unkept(server, wrong)


def missing(have: Sequence[Link], hops: Sequence[MtuHop]) -> list[str]:
    """Return the hops that are not there; a tap may be away."""
    return sorted({hop.name for hop in hops if not hop.bridge} - {link.name for link in have})


def unkept(host: str, wrong: MtuChange) -> FarswitchError:
    """Return the error of an interface that has another MTU than was set."""
    return FarswitchError(
        f"Interface '{wrong.name}' on '{host}' has MTU {wrong.found} after it was set to "
        f"{wrong.wanted}.",
        hint="Something else sets it: look at its bridge's ports and at network managers.",
    )
