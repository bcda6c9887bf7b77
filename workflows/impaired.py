"""What the ports of a cluster do to frames now, as its servers have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farswitch.impair.observe import ImpairedEnds
from farswitch.model.machines import Server
from farswitch.run.documents import ImpairmentEntry
from farswitch.run.session import Session
from farswitch.run.stages import Stage, servers, step
from tasks.impair import impair

LOOK = "impairments"


def impaired(session: Session) -> list[ImpairmentEntry]:
    """Look at every server, and return each direction of a port to which something is done."""
    one = step(impair, name=LOOK, ends=(), owner=session.cluster.owner, dry_run=True)
    session.run([Stage(servers, (one,), vital=False)])
    return entries(session, LOOK)


def entries(session: Session, name: str) -> list[ImpairmentEntry]:
    """Return what a step of that name found."""
    cluster, results = session.cluster, session.recorder.results
    found: list[ImpairmentEntry] = []
    for server in cluster.servers:
        if (name, server.name) in results:
            found += _of_server(session, server, results[name, server.name])
    order = {guest.name: guest.index for guest in cluster.guests}
    return sorted(found, key=lambda one: (order[one["guest"]], one["direction"] != "to_guest"))


def _of_server(session: Session, server: Server, ends: ImpairedEnds) -> Iterator[ImpairmentEntry]:
    on_switch = server.role == "switch"
    cluster = session.cluster
    for guest in cluster.guests if on_switch else cluster.guests_of(server.name):
        state = ends.ends.get(guest.tunnel)
        if state is None:
            continue
        does = state.done.written() | ({"link": "down"} if on_switch and not state.up else {})
        if does or state.fault:
            yield {
                "guest": guest.name,
                "direction": "to_guest" if on_switch else "from_guest",
                "server": server.name,
                "interface": guest.tunnel,
                "does": does,
                "fault": state.fault,
            }


def lines(found: Sequence[ImpairmentEntry]) -> Iterator[tuple[str, str]]:
    """Yield a line for people each, with its style."""
    for one in found:
        does = " ".join(f"{key} {value}" for key, value in one["does"].items())
        place = f"{one['interface']} on {one['server']}"
        fault = f": {one['fault']}" if one["fault"] else ""
        text = f"{one['guest']} {one['direction']}: {does} ({place}){fault}"
        yield text, "red" if fault else "yellow"
