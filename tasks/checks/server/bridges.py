"""Are the cluster's bridges on a server as a build makes them?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nornir.core.task import Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink.links import Link, dump
from farswitch.errors import ForeignObjectError
from farswitch.links.plan import Add, LinkChange, Set, plan
from farswitch.links.wanted import wanted_bridges
from farswitch.model.links import Bridge
from farswitch.model.owner import Owner
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.fixes import Fixes
from farswitch.proof.probe import Probe, of_each

CAUSES = {
    "up": "Somebody or a network manager took it down: nothing passes.",
    "arp": "Somebody let the server answer on it: its guests then find the server there.",
    "link_local": "Somebody let it make itself an IPv6 address: the guests reach the server by it.",
    "stp": "Somebody switched STP on: a port waits for 30 s, and may be blocked for a loop.",
    "forward_delay": "Somebody set it: a new port forwards nothing for that long.",
    "address": "Somebody took the address away: no guest is reached over management.",
}
GONE = "Somebody removed it, or the server was started anew since the build."
OTHER = "Somebody changed it since the build."


def judge(
    server: str,
    have: Sequence[Link],
    want: Sequence[Bridge],
    owner: Owner,
    fixes: Fixes,
) -> Iterator[Check]:
    """Yield one verdict a wanted bridge; its MTU is judged with the others."""
    for bridge in want:
        link = next((one for one in have if one.name == bridge.name), None)
        try:
            changes = plan(have, [bridge], owner, kind="bridge", server=server)
            built = list(_faults(changes))
            added = [] if any(isinstance(one, Add) for one in changes) else _more(link, bridge)
            fix = [
                fixes.command(["ip", "addr", "del", address, "dev", bridge.name])
                for address in added
            ]
            fix += [fixes.rebuild] if built else []
        except ForeignObjectError as error:
            built, added = [(str(error), "Another program uses our names.")], []
            fix = [fixes.then_build(["ip", "link", "del", "dev", error.name])]
        wrong = [*built, *((f"it has the address {one}", CAUSES["arp"]) for one in added)]
        yield Check(
            name="server.bridges",
            host=server,
            ok=not wrong,
            measured=f"{bridge.name}: {'; '.join(fault for fault, _ in wrong) or 'as built'}",
            expected=f"{bridge.name}: up, ours, no STP, address {bridge.address or 'none'}",
            cause=" ".join(dict.fromkeys(cause for _, cause in wrong)),
            fix=" && ".join(fix),
        )


def _faults(changes: Sequence[LinkChange]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, with its cause; a plan for one bridge would remove all others."""
    for change in changes:
        if isinstance(change, Add):
            yield "it is not there", GONE
        elif isinstance(change, Set) and change.attribute != "mtu":
            fault = f"{change.attribute} is {change.found} instead of {change.wanted}"
            yield fault, CAUSES.get(change.attribute, OTHER)


def _more(link: Link | None, bridge: Bridge) -> list[str]:
    """Return the addresses that no build takes away."""
    return [str(one) for one in (link.addresses if link else ()) if one != bridge.address]


def observe(task: Task, _context: Context) -> tuple[Link, ...]:
    """Read a server's interfaces."""
    with netlink(task).session() as ipr:
        return dump(ipr)


def verdicts(context: Context, server: str, have: Sequence[Link]) -> Iterator[Check]:
    """Yield the verdicts on a server's bridges."""
    cluster = context.cluster
    want = wanted_bridges(cluster, cluster.server(server), mtu=context.mtu)
    if not want:
        yield skipped("server.bridges", server, "the switch holds the tunnels itself")
    yield from judge(server, have, want, cluster.owner, Fixes.of(context, server))


PROBE = Probe(
    "servers",
    {"server.bridges": "Each bridge of the cluster is up and mute, as built."},
    of_each("servers", observe, verdicts),
)
