"""Nornir's inventory of servers alone, without a site: for what is found on them by its marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from nornir.core.inventory import Defaults, Group, Groups, Hosts, Inventory
from nornir.core.plugins.inventory import InventoryPluginRegister

from farswitch.connections.fence import Fence
from farswitch.errors import ConfigError
from farswitch.model.machines import Server
from farswitch.site.field_types import parse_hostname
from farswitch.site.nornir_data import FENCE
from farswitch.site.plugin import server_host

NAME = "FarswitchServers"
LOCAL = "local"
_SERVER = re.compile(r"(?:([a-z_][a-z0-9_-]*)@)?(?:\[([^\]]+)\]|([^\[\]@:]+))(?::([0-9]{1,5}))?")
_PORT_MAX = 65535


class FarswitchServers:
    """Nornir inventory plugin: the servers that were named, of which only addresses are known."""

    def __init__(self, servers: Sequence[Server]) -> None:
        """Take the servers."""
        self.servers = tuple(servers)

    def load(self) -> Inventory:
        """Return the inventory; every server is a switch as long as nobody has looked."""
        defaults = Defaults(data={FENCE: Fence()})
        groups = Groups({"switch": Group("switch", defaults=defaults)})
        hosts = Hosts()
        for server in self.servers:
            hosts[server.name] = server_host(server, groups["switch"], defaults)
        return Inventory(hosts=hosts, groups=groups, defaults=defaults)


def register() -> None:
    """Make the plugin known to Nornir, also where the project is not installed."""
    InventoryPluginRegister.register(NAME, FarswitchServers)


def parse_server(text: str, *, key_file: Path | None, known_hosts: Path | None) -> Server:
    """Return the server that was named on the command line.

    Args:
        text: `[USER@]HOST[:PORT]`, an IPv6 address in brackets; or `local` for this machine.
        key_file: The private key; none means the user's agent and default keys.
        known_hosts: The file with its host key; none means the user's.

    Raises:
        ConfigError: The text names no server.
    """
    match = _SERVER.fullmatch(text)
    wanted = f"--server: '{text}' is no server, wanted [USER@]HOST[:PORT], or '{LOCAL}'."
    if match is None:
        raise ConfigError(wanted)
    user, six, name, port = match.groups()
    try:
        hostname = parse_hostname(six or name)
    except ValueError:
        raise ConfigError(wanted) from None
    number = int(port) if port else None
    if number is not None and not 1 <= number <= _PORT_MAX:
        raise ConfigError(wanted)
    return Server(
        name=text.rpartition("@")[2],
        role="switch",
        hostname=hostname,
        underlay=IPv4Address(0),
        user=user or "root",
        port=number,
        key_file=key_file,
        known_hosts=known_hosts,
        local=text == LOCAL,
    )
