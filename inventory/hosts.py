"""Typed access to what the inventory plugin put into Nornir's hosts."""

from __future__ import annotations

from typing import cast

from nornir.core.inventory import Host

from inventory.model import Cluster, Guest, Server

CLUSTER, SERVER, GUEST = "cluster", "server", "guest"


def cluster_of(host: Host) -> Cluster:
    """Return the cluster that the host belongs to."""
    return cast("Cluster", host[CLUSTER])


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
