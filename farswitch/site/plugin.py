"""Nornir's inventory from a site: servers and guests with their roles, and a way to resize it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.switch import Switch
from farswitch.site import netmiko_options
from farswitch.site.loader import load_site
from farswitch.site.nornir_data import CLUSTER, FENCE, SITE, cluster_of, fence_of, site_of

NAME = "FarswitchInventory"
GROUPS = ("hypervisor", "switch", "guest")
CONNECTIONS = ("shell", "netlink", "libvirt")
"""What a server is reached by: a switch may have been another cluster's hypervisor."""
GUEST_USER = "root"
SSH_PORT = 22


class FarswitchInventory:
    """Nornir inventory plugin: a site's folder gives servers and guests."""

    def __init__(self, site: str, nodes: int | None = None) -> None:
        """Take a site's folder or name (see `find_site`); no `nodes` means as many as it names."""
        self.site = site
        self.nodes = nodes

    def load(self) -> Inventory:
        """Return the inventory.

        Raises:
            ConfigError: The site or the number of guests cannot be meant.
        """
        site = load_site(self.site)
        wanted = cluster(site, self.nodes)
        defaults = Defaults(data={SITE: site, CLUSTER: wanted, FENCE: Fence()})
        groups = Groups({name: Group(name, defaults=defaults) for name in GROUPS})
        inventory = Inventory(hosts=Hosts(), groups=groups, defaults=defaults)
        for server in wanted.servers:
            host = server_host(server, groups[server.role], defaults)
            host.data["cluster"] = wanted.name
            inventory.hosts[server.name] = host
        for guest in wanted.guests:
            inventory.hosts[guest.name] = _guest_host(guest, inventory)
        return inventory


def register() -> None:
    """Make the plugin known to Nornir, also where the project is not installed."""
    InventoryPluginRegister.register(NAME, FarswitchInventory)


def resize(inventory: Inventory, nodes: int | None) -> Cluster:
    """Give an inventory another number of guests, None for those that the site names.

    Servers, and guests that stay, keep their Host objects and open connections; the connections of
    guests that go are closed.

    Raises:
        ConfigError: That many guests cannot be; nothing was changed.
    """
    wanted = cluster(site_of(inventory), nodes)
    names = {guest.name for guest in wanted.guests}
    for host in [host for host in inventory.hosts.values() if host.get("role") == "guest"]:
        if host.name not in names:
            del inventory.hosts[host.name]
            host.close_connections()
    for guest in wanted.guests:
        if guest.name not in inventory.hosts:
            inventory.hosts[guest.name] = _guest_host(guest, inventory)
    inventory.defaults.data[CLUSTER] = wanted
    return wanted


def use_switch(inventory: Inventory, adapter: Switch) -> Cluster:
    """Give an inventory another switch than the site's; its guests stay as many as they are."""
    site, guests = site_of(inventory), cluster_of(inventory).guests
    settings = site.settings.model_copy(update={"switch": adapter})
    inventory.defaults.data[SITE] = replace(site, settings=settings)
    return resize(inventory, len(guests))


def fill_in_keys(inventory: Inventory, private_key: str, host_keys: Mapping[str, str]) -> None:
    """Give the shells of all guests what their logins need, once it is known.

    The private key is root's on the guests, as OpenSSH's PEM; `host_keys` are public lines by the
    guests' names.
    """
    for host in inventory.hosts.values():
        if host.get("role") == "guest":
            extras = host.connection_options["shell"].extras or {}
            extras |= {"private_key": private_key, "host_key": host_keys.get(host.name, "")}


def server_host(server: Server, group: Group, defaults: Defaults) -> Host:
    """Return the Nornir host of a server, with options for each of its connections."""
    extras = {
        "name": server.name,
        "local": server.local,
        "key_file": server.key_file,
        "known_hosts": server.known_hosts,
        "fence": defaults.data[FENCE],
    }
    return Host(
        name=server.name,
        hostname=server.hostname,
        port=server.port,
        username=server.user,
        platform="linux",
        groups=ParentGroups([group]),
        data={"role": server.role, "underlay": str(server.underlay)},
        connection_options={
            **{name: ConnectionOptions(extras=dict(extras)) for name in CONNECTIONS},
            "netmiko": netmiko_options.of_server(server),
        },
        defaults=defaults,
    )


def guest_data(guest: Guest) -> dict[str, Any]:
    """Return the plain data of a guest, for filters and templates."""
    return {
        "role": "guest",
        "index": guest.index,
        "vni": guest.vni,
        "data_address": str(guest.data_address.ip),
        "management_address": str(guest.management_address.ip),
        "hypervisor": guest.hypervisor,
        "cluster": guest.settings.cluster,
    }


def _guest_host(guest: Guest, inventory: Inventory) -> Host:
    extras = {
        "name": guest.name,
        "jump": inventory.hosts[guest.hypervisor],
        "host_key": "",
        "private_key": "",
        "fence": fence_of(inventory),
    }
    return Host(
        name=guest.name,
        hostname=str(guest.management_address.ip),
        port=SSH_PORT,
        username=GUEST_USER,
        platform="linux",
        groups=ParentGroups([inventory.groups["guest"]]),
        data=guest_data(guest),
        connection_options={
            "shell": ConnectionOptions(extras=extras),
            "netmiko": netmiko_options.of_guest(guest),
        },
        defaults=inventory.defaults,
    )
