"""Nornir's inventory from a site: servers and guests with their roles, and a way to resize it."""

from __future__ import annotations

from typing import Any

from nornir.core.inventory import (
    ConnectionOptions,
    Defaults,
    Group,
    Groups,
    Host,
    Hosts,
    Inventory,
    ParentGroups,
)
from nornir.core.plugins.inventory import InventoryPluginRegister

from farswitch.connections.fence import Fence
from farswitch.model.cluster import Cluster, Site, cluster
from farswitch.model.machines import Guest, Server
from farswitch.site.loader import load_site
from farswitch.site.nornir_data import (
    CLUSTER,
    FENCE,
    GUEST,
    JUMP,
    KEYS,
    SERVER,
    SITE,
    KeyHolder,
    fence_of,
    keys_of,
)

NAME = "FarswitchInventory"
GROUPS = ("hypervisor", "switch", "guest")
GUEST_USER = "root"
SSH_PORT = 22


class FarswitchInventory:
    """Nornir inventory plugin: a site's folder gives servers and guests."""

    def __init__(self, site: str, nodes: int | None = None) -> None:
        """Take the plugin's options.

        Args:
            site: The site's folder, or its name below `inventory/`.
            nodes: How many guests; None means those that the site names.
        """
        self.site = site
        self.nodes = nodes

    def load(self) -> Inventory:
        """Return the inventory.

        Raises:
            ConfigError: The site or the number of guests cannot be meant.
        """
        site = load_site(self.site)
        wanted = cluster(site, self.nodes)
        defaults = Defaults(data={SITE: site, KEYS: KeyHolder(), FENCE: Fence()})
        groups = Groups({name: Group(name, defaults=defaults) for name in GROUPS})
        inventory = Inventory(hosts=Hosts(), groups=groups, defaults=defaults)
        for server in wanted.servers:
            inventory.hosts[server.name] = _server_host(server, wanted, inventory)
        for guest in wanted.guests:
            inventory.hosts[guest.name] = _guest_host(guest, wanted, inventory)
        return inventory


def register() -> None:
    """Make the plugin known to Nornir, also where the project is not installed."""
    InventoryPluginRegister.register(NAME, FarswitchInventory)


def resize(inventory: Inventory, site: Site, nodes: int | None) -> Cluster:
    """Give an inventory another number of guests.

    Servers, and guests that stay, keep their Host objects and open connections; the connections of
    guests that go are closed.

    Args:
        inventory: The inventory of a Nornir object.
        site: The site that it was made from.
        nodes: How many guests; None means those that the site names.

    Returns:
        The cluster of that size, which is every host's `cluster` now.

    Raises:
        ConfigError: That many guests cannot be; nothing was changed.
    """
    wanted = cluster(site, nodes)
    names = {guest.name for guest in wanted.guests}
    gone = [
        host for host in inventory.hosts.values() if GUEST in host.data and host.name not in names
    ]
    for host in gone:
        del inventory.hosts[host.name]
        host.close_connections()
    for guest in wanted.guests:
        have = inventory.hosts.get(guest.name)
        if have is None or have.data[GUEST] != guest:
            inventory.hosts[guest.name] = _guest_host(guest, wanted, inventory)
    for host in inventory.hosts.values():
        host.data[CLUSTER] = wanted
    return wanted


def _server_host(server: Server, wanted: Cluster, inventory: Inventory) -> Host:
    host = Host(
        name=server.name,
        hostname=server.hostname,
        port=server.port,
        username=server.user,
        platform="linux",
        groups=ParentGroups([inventory.groups[server.role]]),
        data={CLUSTER: wanted, SERVER: server},
        defaults=inventory.defaults,
    )
    given = {SERVER: server, FENCE: fence_of(inventory)}
    host.connection_options["shell"] = _options(**given)
    host.connection_options["netlink"] = _options(**given, host=host)
    if server.role == "hypervisor":
        host.connection_options["libvirt"] = _options(**given)
    return host


def _guest_host(guest: Guest, wanted: Cluster, inventory: Inventory) -> Host:
    jump = inventory.hosts[guest.hypervisor]
    given = {GUEST: guest, JUMP: jump, KEYS: keys_of(inventory), FENCE: fence_of(inventory)}
    login = _options(**given)
    return Host(
        name=guest.name,
        hostname=str(guest.management_address.ip),
        port=SSH_PORT,
        username=GUEST_USER,
        platform="linux",
        groups=ParentGroups([inventory.groups["guest"]]),
        data={CLUSTER: wanted, GUEST: guest},
        connection_options={"shell": login},
        defaults=inventory.defaults,
    )


def _options(**extras: Any) -> ConnectionOptions:
    return ConnectionOptions(extras=extras)
