"""One look at every server of a cluster, for the commands that change nothing."""

from __future__ import annotations

from typing import Any

from nornir.core.inventory import Host

from farswitch.links.underlay import peers
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, servers, step
from farswitch.status.observed import ServerLook
from tasks.status import status


def look(session: Session) -> dict[str, ServerLook]:
    """Look at every server once, side by side, and return what was found on those that answered."""
    cluster = session.cluster

    def of(host: Host) -> Any:
        return cluster.server(host.name)

    one = step(status, server=PerHost(of), peers=PerHost(lambda host: peers(cluster, of(host))))
    session.run([Stage(servers, (one,), vital=False)])
    found = session.recorder.results
    names = [server.name for server in cluster.servers]
    return {name: found["status", name] for name in names if ("status", name) in found}
