"""What farswitch has on servers, of all clusters, and what of it nobody needs: a list of it."""

from __future__ import annotations

from collections.abc import Mapping

from farswitch.connections import access
from farswitch.leftovers.orphans import UNNAMED, Leftovers, orphans
from farswitch.lock.agent import held_by
from farswitch.lock.messages import plain
from farswitch.run.session import Session
from farswitch.run.stages import servers


def reasons_to_keep(session: Session, by_server: Mapping[str, Leftovers]) -> dict[str, str]:
    """Return every cluster with the reason why it stays, and that of what bears no name."""
    hosts = session.hosts(servers)
    looked_at = [host for host in hosts if host.name in by_server]
    at_work = {holder.cluster for host in looked_at for holder in held_by(access.shell(host))}
    unsure = bool(at_work) or len(looked_at) < len(hosts)
    why = "a run is at work, or a server could not be looked at" if unsure else ""
    return {**orphans(by_server, at_work), UNNAMED: why}


def list_objects(
    session: Session, by_server: Mapping[str, Leftovers], kept: Mapping[str, str]
) -> None:
    """Print what is there, cluster by cluster, and put it into the run's document."""
    listed = [
        (leftover, server, here.times.age(leftover))
        for server, here in by_server.items()
        for leftover in here.objects
    ]
    for name, why in kept.items():
        own = [entry for entry in listed if entry[0].cluster == name]
        if not own:
            continue
        title = f"Cluster '{plain(name)}'" if name else "Of no cluster"
        verdict = f"stays: {why}" if why else "needed by nobody" if name else "where not needed"
        session.note(f"\n{title}, {verdict}")
        for leftover, server, age in own:
            session.note(f"  {server}  {leftover.kind}  {plain(leftover.name)}  {age}")
    session.recorder.extras["remains"] = [
        {
            "cluster": leftover.cluster,
            "server": server,
            "kind": leftover.kind,
            "name": leftover.name,
            "age": age,
            "kept": kept.get(leftover.cluster, ""),
        }
        for leftover, server, age in listed
    ]
    if not listed:
        session.note(f"Nothing of farswitch was found on {', '.join(by_server)}.")
