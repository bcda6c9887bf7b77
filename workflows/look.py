"""One look at every server of a cluster, for the commands that change nothing."""

from __future__ import annotations

from typing import Any

from nornir.core.inventory import Host

from farswitch.links.underlay import peers
from farswitch.model.switch import Switch
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, is_switch, servers, step
from farswitch.status.observed import ServerLook
from tasks.status import status


def look(session: Session) -> dict[str, ServerLook]:
    """Look at every server once, side by side, and return what was found on those that answered."""
    cluster = session.cluster

    def of(host: Host) -> Any:
        return cluster.server(host.name)

    def adapter(host: Host) -> Switch | None:
        """Return the switch of its server; a bridge's ports say it all."""
        mine = is_switch(host) and cluster.attachment != "bridge"
        return cluster.settings.switch if mine else None

    one = step(
        status,
        server=PerHost(of),
        peers=PerHost(lambda host: peers(cluster, of(host))),
        owner=cluster.owner,
        adapter=PerHost(adapter),
    )
    session.run([Stage(servers, (one,), vital=False)])
    found = session.recorder.results
    names = [server.name for server in cluster.servers]
    return {name: found["status", name] for name in names if ("status", name) in found}
