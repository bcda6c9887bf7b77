"""Is each guest's address on its own port of each bridge, and on no other?

Entries age, so each guest says something first: then it has to be in all bridges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from nornir.core.task import Task

from farswitch.connections.access import netlink, shell
from farswitch.connections.netlink.fdb import Entry
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.links.forwarding import Forwarding, astray, misplaced, of_tunnels
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.pace import patient
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, of_all
from farswitch.remote import command
from tasks.checks.tunnel.observed import TunnelState, wanted_places
from tasks.checks.tunnel.probe import observe

NAME = "tunnel.fdb"
STRAY = (
    "Somebody wrote the entry by hand (bridge fdb), or frames with this guest's address came in "
    "by another port."
)
MISSING = (
    "Its frames do not come there: its tap, its tunnel or a port of the bridge is down or wrong, "
    "does not learn, or a rule drops them."
)
SETTLE = 3.0
"""Seconds until the bridges have learnt an announcement: some milliseconds, if it arrives."""
ANNOUNCE_SECONDS = 15.0
"""For a guest to say it; under emulation the program starts in half a second."""


@dataclass(frozen=True, slots=True)
class Announcements:
    """What the guests said before the bridges were looked at.

    Attributes:
        silent: Guests that were not asked, or could not, and why: nobody waits for their entries.
        failed: Those that could not say it, and why.
        before: The entries that each server had until then.
    """

    silent: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)


def judge_fdb(
    cluster: Cluster, state: TunnelState, rebuild: str, announcements: Announcements
) -> Iterator[Check]:
    """Yield one verdict a guest of a server: of its address there, and of its tunnel's far end."""
    places, far = wanted_places(cluster, state.server), of_tunnels(state.entries)
    tunnels = {tunnel.name: tunnel for tunnel in state.tunnels}
    earlier = announcements.before.get(state.server.name, ())
    if not places:
        yield skipped(NAME, state.server.name, _untold(cluster), NAME)
        return
    for guest in cluster.guests:
        mine = [one for one in state.entries if _of(one, guest, places)]
        wrong = [one for one in (*earlier, *mine) if _of(one, guest, places, stray=True)]
        own = tunnels.get(guest.tunnel)
        led = list(astray(own, far.get(own.name, ()))) if own and state.link(own.name) else []
        found = [*dict.fromkeys(map(_shown, wrong)), *led]
        absent = [] if found else missing(cluster, places, guest, state)
        who = f"{guest.name} ({guest.data_mac}): "
        if absent and (why := announcements.silent.get(guest.name)):
            yield skipped(NAME, state.server.name, f"{guest.name} said nothing: {why}", NAME)
            continue
        unsaid = announcements.failed.get(guest.name, "")
        found += [f"no entry in {', '.join(absent)}"] if absent else []
        found += [f"it could not say anything: {unsaid}"] if absent and unsaid else []
        yield Check(
            name=NAME,
            host=state.server.name,
            ok=not found,
            measured=who + "; ".join(found or map(_shown, mine)),
            expected=f"{who}{_expected(places, guest)}",
            cause=MISSING if absent else STRAY,
            fix=state.repair(guest.tunnel, rebuild),
        )


def _untold(cluster: Cluster) -> str:
    return f"the switch '{cluster.settings.switch.kind}' holds the tunnels itself"


def missing(cluster: Cluster, places: Forwarding, guest: Guest, state: TunnelState) -> list[str]:
    """Return the bridges of a server that do not know where a guest is, and have to.

    A switch that is no bridge may keep announcements to itself.
    """
    own = {guest.bridge, guest.port_bridge, cluster.settings.switch.kind}
    asked = [name for name in places if cluster.attachment == "bridge" or name in own]
    known = {
        one.bridge
        for one in state.entries
        if _of(one, guest, places) and not misplaced(one, places)
    }
    return [bridge for bridge in asked if bridge not in known]


def _of(entry: Entry, guest: Guest, places: Forwarding, *, stray: bool = False) -> bool:
    if entry.mac != guest.data_mac or entry.bridge not in places:
        return False
    return misplaced(entry, places) or not stray


def _shown(entry: Entry) -> str:
    how = "local" if entry.local else "static" if entry.static else "learnt"
    return f"on {entry.device} of {entry.bridge} ({how})"


def _expected(places: Forwarding, guest: Guest) -> str:
    right = {ports[guest.data_mac] for ports in places.values()}
    if len(right) == 1:
        return f"on {right.pop()} only"
    return f"on {guest.data_tap} of {guest.bridge}, on the tunnels of the others' bridges"


def announce(task: Task, context: Context) -> None:
    """Let a guest announce itself to everybody on the data network."""
    guest = context.cluster.guest(task.host.name)
    argv = command("announce", guest.data_mac, str(guest.data_address.ip))
    shell(task).run(argv, timeout=ANNOUNCE_SECONDS)


def await_entries(task: Task, context: Context, announced: Collection[str]) -> TunnelState:
    """Return what a server has once its bridges know all guests that spoke, or at the deadline."""
    server = context.cluster.server(task.host.name)
    places = wanted_places(context.cluster, server)
    guests = [guest for guest in context.cluster.guests if guest.name in announced]
    with netlink(task).session() as ipr:

        def all_known() -> TunnelState | None:
            found = TunnelState.read(ipr, context, server)
            late = any(missing(context.cluster, places, guest, found) for guest in guests)
            return None if late else found

        with suppress(DeadlineError):
            return wait_until(
                all_known, Deadline(patient(SETTLE)), what="The entries of all guests"
            )
        return TunnelState.read(ipr, context, server)


def prove(context: Context) -> Proof:
    """Look at all servers, let the guests speak, look again, and judge."""
    names = [server.name for server in context.cluster.servers]
    before: Observed[TunnelState] = yield {"servers": observe}
    entries = {
        name: tuple(server.entries) for name, server in of_all(names, before, context).items()
    }
    outcomes: Observed[None] = yield {"guests": announce}
    failed = {name: str(one) for name, one in outcomes.items() if isinstance(one, FarswitchError)}
    announced = outcomes.keys() - failed.keys()
    after: Observed[TunnelState] = yield {
        "servers": lambda task, context: await_entries(task, context, announced)
    }
    servers = of_all(names, after, context).values()
    announcements = Announcements(dict(context.evidence.lost), failed, entries)

    def verdicts() -> Iterator[Check]:
        for server in servers:
            yield from judge_fdb(context.cluster, server, context.rebuild, announcements)

    return {context.cluster.switch.name: verdicts()}


PROBE = Probe(
    "switch",
    {NAME: "Each guest's address is on its own port of each bridge, and on no other."},
    prove,
    guests=True,
)
