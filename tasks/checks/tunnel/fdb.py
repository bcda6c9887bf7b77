"""Is each guest's address on its own port of each bridge, and on no other?

Entries age, so each guest says something first: then it has to be in all bridges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from nornir.core.task import Task

from farswitch.connections.netlink.fdb import Entry
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.links.forwarding import Forwarding, astray, misplaced, of_tunnels
from farswitch.links.wanted import wanted_forwarding
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Probe, Scene
from farswitch.remote import source
from tasks.checks.tunnel.observed import Sight
from tasks.checks.tunnel.probe import look

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
"""Seconds until the bridges have learnt what a guest said: some milliseconds, if it arrives."""
SPEAK = 15.0
"""For a guest to say it; under emulation the program starts in half a second."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the guests said before the bridges were looked at.

    Attributes:
        silent: Guests that were not asked, or could not, and why: nobody waits for their entries.
        failed: Those that could not say it, and why.
        before: The entries that each server had until then.
    """

    silent: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)


def judge_fdb(cluster: Cluster, sight: Sight, rebuild: str, spoken: Spoken) -> Iterator[Check]:
    """Yield one verdict a guest of a server: of its address there, and of its tunnel's far end.

    Args:
        cluster: The cluster.
        sight: What was seen of the server after the guests had said something.
        rebuild: The command of the build.
        spoken: What they said.
    """
    places, far = wanted_forwarding(cluster, sight.server), of_tunnels(sight.entries)
    tunnels = {tunnel.name: tunnel for tunnel in sight.tunnels}
    earlier = spoken.before.get(sight.server.name, ())
    for guest in cluster.guests:
        mine = [one for one in sight.entries if _of(one, guest, places)]
        wrong = [one for one in (*earlier, *mine) if _of(one, guest, places, stray=True)]
        own = tunnels.get(guest.tunnel)
        led = list(astray(own, far.get(own.name, ()))) if own and sight.link(own.name) else []
        found = [*dict.fromkeys(map(_told, wrong)), *led]
        absent = [] if found else missing(places, guest, sight)
        who = f"{guest.name} ({guest.data_mac}): "
        if absent and (why := spoken.silent.get(guest.name)):
            yield skipped(NAME, sight.server.name, f"{guest.name} said nothing: {why}", NAME)
            continue
        unsaid = spoken.failed.get(guest.name, "")
        found += [f"no entry in {', '.join(absent)}"] if absent else []
        found += [f"it could not say anything: {unsaid}"] if absent and unsaid else []
        yield Check(
            name=NAME,
            host=sight.server.name,
            ok=not found,
            measured=who + "; ".join(found or map(_told, mine)),
            expected=f"{who}{_expected(places, guest)}",
            cause=MISSING if absent else STRAY,
            fix=sight.mend(guest.tunnel, rebuild),
        )


def missing(places: Forwarding, guest: Guest, sight: Sight) -> list[str]:
    """Return the bridges of a server that do not know where a guest is."""
    known = {
        one.bridge
        for one in sight.entries
        if _of(one, guest, places) and not misplaced(one, places)
    }
    return [bridge for bridge in places if bridge not in known]


def _of(entry: Entry, guest: Guest, places: Forwarding, *, stray: bool = False) -> bool:
    if entry.mac != guest.data_mac or entry.bridge not in places:
        return False
    return misplaced(entry, places) or not stray


def _told(entry: Entry) -> str:
    how = "local" if entry.local else "static" if entry.static else "learnt"
    return f"on {entry.device} of {entry.bridge} ({how})"


def _expected(places: Forwarding, guest: Guest) -> str:
    right = {ports[guest.data_mac] for ports in places.values()}
    if len(right) == 1:
        return f"on {right.pop()} only"
    return f"on {guest.data_tap} of {guest.bridge}, on the tunnels of the others' bridges"


def speak(scene: Scene) -> Spoken:
    """Let all guests that answer say something to everybody on the data network."""
    before = {name: tuple(sight.entries) for name, sight in look(scene).items()}
    guests = {guest.name: guest for guest in scene.there()}

    def announce(name: str) -> None:
        guest = guests[name]
        argv = ["python3", "-IS", "-", guest.data_mac, str(guest.data_address.ip)]
        scene.shell(name).run(argv, stdin=source("announce"), timeout=SPEAK)

    said = each(guests, announce)
    failed = {name: str(one) for name, one in said.items() if isinstance(one, FarswitchError)}
    return Spoken(dict(scene.findings.lost), failed, before)


def settled(scene: Scene, spoken: Spoken) -> dict[str, Sight]:
    """Return what is seen once all bridges know all guests that spoke, or at the deadline."""
    cluster, seen = scene.cluster, dict[str, Sight]()

    def known() -> bool:
        seen.update(look(scene))
        return not any(
            missing(places, guest, sight)
            for sight in seen.values()
            for places in (wanted_forwarding(cluster, sight.server),)
            for guest in scene.there()
            if guest.name not in spoken.failed
        )

    with suppress(DeadlineError):
        wait_until(known, Deadline(SETTLE), what="The entries of all guests")
    return seen


def run(_task: Task, scene: Scene) -> Iterator[Check]:
    """Let the guests speak, look at all servers, and judge."""
    spoken = speak(scene)
    sights = settled(scene, spoken)
    for server in scene.cluster.servers:
        yield from judge_fdb(scene.cluster, sights[server.name], scene.rebuild, spoken)


PROBE = Probe(
    "switch",
    {NAME: "Each guest's address is on its own port of each bridge, and on no other."},
    run,
    guests=True,
)
