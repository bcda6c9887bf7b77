"""The keys of a site's three files; those of the cluster are the model's own `Settings`.

The sentence below a field is its row in docs/inventory.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from farswitch.model.field_types import Fields, Flag
from farswitch.model.settings import Settings
from farswitch.site.field_types import (
    Groups,
    Hostname,
    HypervisorName,
    KeyFile,
    Login,
    Port,
    Underlay,
)

A_MAPPING = Field(title="a mapping")


class DefaultsFile(Fields):
    """defaults.yaml."""

    data: Annotated[Settings, Field(title="a mapping with the cluster's settings")]


class ServerGroupData(Fields):
    """`data` of a group of servers in groups.yaml."""

    key_file: KeyFile | None = None
    """the private key for the login; relative paths start at the site's folder"""
    known_hosts: KeyFile | None = None
    """where the host keys are; an unknown or changed key ends the run"""
    local: Flag = False
    """this server is the machine that runs the workflows: no login"""


class ServerData(ServerGroupData):
    """`data` of a server in hosts.yaml."""

    underlay: Underlay | None = None
    """where the tunnels end; all servers have the same IP version"""


class ServerGroup(Fields):
    """`hypervisor` or `switch` of groups.yaml."""

    username: Login = "root"
    """who logs in; any other user needs what [security.md](security.md) gives"""
    port: Port | None = None
    """of sshd"""
    data: Annotated[ServerGroupData, A_MAPPING] = ServerGroupData()


class ServerFields(ServerGroup):
    """A server of hosts.yaml."""

    hostname: Hostname
    """how the controller reaches it by ssh"""
    groups: Groups
    """its role: runs the guests, or carries the switch"""
    data: Annotated[ServerData, A_MAPPING] = ServerData()


class GuestData(Fields):
    """`data` of a guest or of the group of guests."""

    hypervisor: HypervisorName | None = None
    """where it runs"""


class GuestGroup(Fields):
    """`guest` of groups.yaml."""

    data: Annotated[GuestData, A_MAPPING] = GuestData()


class GuestFields(GuestGroup):
    """A guest or a node set of hosts.yaml."""

    groups: Groups
    """`[guest]`"""


class GroupsFile(Fields):
    """groups.yaml."""

    hypervisor: Annotated[ServerGroup, A_MAPPING] = ServerGroup()
    switch: Annotated[ServerGroup, A_MAPPING] = ServerGroup()
    guest: Annotated[GuestGroup, A_MAPPING] = GuestGroup()
