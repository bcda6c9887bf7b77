"""Typed access to what the inventory plugin put into Nornir's hosts."""

from __future__ import annotations

from typing import cast

from nornir.core.inventory import Host, Inventory

from farswitch.connections.fence import Fence
from farswitch.connections.shell.keys import GuestKeys
from farswitch.model.cluster import Cluster, Site
from farswitch.model.machines import Guest, Server

CLUSTER, SERVER, GUEST = "farswitch", "server", "guest"
SITE, KEYS, JUMP, FENCE = "site", "login", "jump", "fence"


class KeyHolder:
    """The cluster's keys, once the workflow has them, for the logins to its guests."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._keys = GuestKeys()

    @property
    def keys(self) -> GuestKeys:
        """What is known of them; setting it fills in the options of every guest's connections."""
        return self._keys

    @keys.setter
    def keys(self, keys: GuestKeys) -> None:
        self._keys = keys
        for host in self._inventory.hosts.values():
            if GUEST in host.data:
                self.fill_in(host)

    def fill_in(self, guest: Host) -> None:
        """Give a guest's shell its keys; empty ones as long as they are not known."""
        extras = guest.connection_options["shell"].extras or {}
        extras["host_key"] = self._keys.host_keys.get(guest.name, "")
        extras["private_key"] = self._keys.private_key


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


def site_of(inventory: Inventory) -> Site:
    """Return the site that the inventory was made from."""
    return cast("Site", inventory.defaults.data[SITE])


def keys_of(inventory: Inventory) -> KeyHolder:
    """Return the holder that every guest's login takes its keys from."""
    return cast("KeyHolder", inventory.defaults.data[KEYS])


def fence_of(inventory: Inventory) -> Fence:
    """Return the fence that every connection of the run asks before a request."""
    return cast("Fence", inventory.defaults.data[FENCE])


def hypervisor_of(host: Host) -> Host:
    """Return the Nornir host of the hypervisor that runs the guest.

    Raises:
        KeyError: The host is a server.
    """
    return cast("Host", (host.connection_options["shell"].extras or {})[JUMP])
