"""Is each guest's address on its own port of each bridge, and on no other?"""

from __future__ import annotations

from collections.abc import Iterator

from connections.fdb import Entry
from inventory.model import Cluster, Guest
from tasks.check import Check
from tasks.checks.tunnel_sight import Sight
from tasks.fdb import Places, astray, of_tunnels

CAUSE = (
    "Somebody wrote the entry by hand (bridge fdb), or frames with this guest's address came in "
    "by another port."
)


def judge_fdb(cluster: Cluster, sight: Sight, rebuild: str) -> Iterator[Check]:
    """Yield one verdict a guest of a server: of its address there, and of its tunnel's far end.

    Args:
        cluster: The cluster.
        sight: What was seen of the server.
        rebuild: The command of the build.
    """
    places, far = Places.of(cluster, sight.server), of_tunnels(sight.entries)
    seen: dict[str, list[Entry]] = {}
    for entry in sight.entries:
        if entry.bridge in places.own:
            seen.setdefault(entry.mac, []).append(entry)
    tunnels = {tunnel.name: tunnel for tunnel in sight.tunnels}
    for guest in cluster.guests:
        entries = seen.get(guest.data_mac, [])
        wrong = [one for one in entries if places.misplaced(one)]
        own = tunnels.get(guest.tunnel)
        led = list(astray(own, far.get(own.name, ()))) if own and sight.link(own.name) else []
        yield Check(
            name="tunnel.fdb",
            host=sight.server.name,
            ok=not wrong and not led,
            measured=f"{guest.name} ({guest.data_mac}): "
            + "; ".join([*map(_told, wrong or entries), *led] or ["no entry yet"]),
            expected=f"{guest.name} ({guest.data_mac}): {_expected(places, guest)}",
            cause=CAUSE,
            fix=sight.mend(guest.tunnel, rebuild),
        )


def _told(entry: Entry) -> str:
    how = "local" if entry.local else "static" if entry.static else "learnt"
    return f"on {entry.device} of {entry.bridge} ({how})"


def _expected(places: Places, guest: Guest) -> str:
    right = {places.port(bridge, guest) for bridge in places.own}
    if len(right) == 1:
        return f"on {right.pop()} only"
    return f"on {guest.data_tap} of {guest.bridge}, on the tunnels of the others' bridges"
