"""What the tasks of bridges and tunnels are given on a server of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farswitch.firewall.guard_wanted import wanted_guard
from farswitch.firewall.traffic import wanted_flows
from farswitch.links import wanted
from farswitch.model.cluster import Cluster


def arguments(
    task: Callable[..., Any], cluster: Cluster, name: str, *, mtu: int = 1450, device: str = "u0"
) -> dict[str, Any]:
    """Return what a build gives one of its tasks."""
    server, owner = cluster.server(name), cluster.owner
    tunnels = wanted.wanted_tunnels(cluster, server, device=device, mtu=mtu)
    forwarding = wanted.wanted_forwarding(cluster, server)
    values: dict[str, dict[str, Any]] = {
        "bridge": {"bridges": wanted.wanted_bridges(cluster, server, mtu=mtu), "owner": owner},
        "veth": {"ends": wanted.wanted_veths(cluster, server, mtu=mtu), "owner": owner},
        "vxlan": {"tunnels": tunnels, "owner": owner},
        "bridge_ports": {"ports": wanted.wanted_ports(cluster, server)},
        "fdb": {"forwarding": forwarding, "tunnels": tunnels, "owner": owner},
        "mtu": {"size": mtu, "hops": wanted.wanted_hops(cluster, server)},
        "links_remove": {"owner": owner},
        "sysctl": {"owner": owner},
        "guard": {"owner": owner, "want": wanted_guard(cluster, server, device)},
        "firewall_reset": {
            "owner": owner,
            "mode": cluster.settings.firewall,
            "flows": wanted_flows(cluster, server, device),
        },
    }
    return values[task.__name__]
