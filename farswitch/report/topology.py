"""The picture of a run's cluster, as a page takes it in: an image that brings its own style."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address

from farswitch.graph.picture import picture
from farswitch.graph.text import draw
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.run.run_document import Run


def topology(run: Run) -> str:
    """Return the picture as a `data:` address; empty where the run had no cluster that we know."""
    try:
        wanted = cluster_of(run)
    except ValueError:  # of another release, whose settings were others
        return ""
    svg = draw(picture(wanted, None), "svg")
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def cluster_of(run: Run) -> Cluster:
    """Return the cluster of a run, by its own settings, servers and guests.

    Raises:
        ValueError: It had none, or these are not what we know.
    """
    chosen = {name: value for name, value in run.settings.items() if value is not None}
    settings = Settings.model_validate(chosen)
    servers = [Server(one.name, one.role, one.name, ip_address(one.address)) for one in run.servers]
    (switch,) = (server for server in servers if server.role == "switch")
    guests = tuple(
        Guest(one.name, one.vni - settings.vni_base + 1, one.hypervisor, settings)
        for one in run.guests
    )
    hypervisors = tuple(server for server in servers if server.role == "hypervisor")
    return Cluster(settings, hypervisors, switch, guests)
