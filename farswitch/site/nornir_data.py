"""The typed objects of a run, in its Nornir inventory: for workflows; tasks get plain values."""

from __future__ import annotations

from typing import cast

from nornir.core.inventory import Host, Inventory

from farswitch.connections.fence import Fence
from farswitch.model.cluster import Cluster, Site
from farswitch.model.machines import Guest, Server

SITE, CLUSTER, FENCE = "farswitch_site", "farswitch_cluster", "farswitch_fence"
"""Keys of the inventory's defaults."""
SERVER, GUEST = "server", "guest"
"""Keys of a host."""


def site_of(inventory: Inventory) -> Site:
    """Return the site that the inventory was made from."""
    return cast("Site", inventory.defaults.data[SITE])


def cluster_of(inventory: Inventory) -> Cluster:
    """Return the cluster that the inventory's hosts are."""
    return cast("Cluster", inventory.defaults.data[CLUSTER])


def fence_of(inventory: Inventory) -> Fence:
    """Return the fence that every connection of the run asks before a request."""
    return cast("Fence", inventory.defaults.data[FENCE])


def server_of(host: Host) -> Server:
    """Return the server that the host is.

    Raises:
        KeyError: The host is a guest.
    """
    return cast("Server", host[SERVER])


def guest_of(host: Host) -> Guest:
    """Return the guest that the host is.

    Raises:
        KeyError: The host is a server.
    """
    return cast("Guest", host[GUEST])
