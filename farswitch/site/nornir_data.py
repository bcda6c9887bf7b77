"""The typed objects of a run, in its Nornir inventory: for workflows; tasks get plain values."""

from __future__ import annotations

from typing import cast

from nornir.core.inventory import Inventory

from farswitch.connections.fence import Fence
from farswitch.model.cluster import Cluster, Site

SITE, CLUSTER, FENCE = "farswitch_site", "farswitch_cluster", "farswitch_fence"
"""Keys of the inventory's defaults."""


def site_of(inventory: Inventory) -> Site:
    """Return the site that the inventory was made from."""
    return cast("Site", inventory.defaults.data[SITE])


def cluster_of(inventory: Inventory) -> Cluster:
    """Return the cluster that the inventory's hosts are."""
    return cast("Cluster", inventory.defaults.data[CLUSTER])


def fence_of(inventory: Inventory) -> Fence:
    """Return the fence that every connection of the run asks before a request."""
    return cast("Fence", inventory.defaults.data[FENCE])
