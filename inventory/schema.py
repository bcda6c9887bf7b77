"""The keys of a site's three files. Defaults are those of the models, written once."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from inventory import fields
from inventory.model import DEFAULT_LAB_NAME
from inventory.settings import Settings

DEFAULT = Settings(cluster="")


class Keys(BaseModel):
    """A mapping in which every key is known and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ImageKeys(Keys):
    """`data.image` of defaults.yaml."""

    source: fields.Source = DEFAULT.image.source
    sha256: fields.Sha256 | None = DEFAULT.image.sha256


class MpiKeys(Keys):
    """`data.mpi` of defaults.yaml."""

    launcher_ports: fields.Ports = DEFAULT.launcher_ports
    payload_ports: fields.Ports = DEFAULT.payload_ports


class LabKeys(Keys):
    """`data.lab` of defaults.yaml: this site is the lab."""

    name: fields.LabName = DEFAULT_LAB_NAME
    controller_network: fields.Network
    underlay_network: fields.Network


class ClusterKeys(Keys):
    """`data` of defaults.yaml."""

    cluster: fields.Cluster
    vni_base: fields.Vni = DEFAULT.vni_base
    udp_port: fields.UdpPort = DEFAULT.udp_port
    mtu: fields.Mtu = DEFAULT.mtu
    data_network: fields.Network = DEFAULT.data_network
    management_network: fields.Network = DEFAULT.management_network
    memory: fields.Memory = DEFAULT.memory
    vcpus: fields.Vcpus = DEFAULT.vcpus
    disk: fields.Disk = DEFAULT.disk
    image: ImageKeys = Field(default=ImageKeys(), description="a mapping with 'source'")
    firewall: fields.Firewall = DEFAULT.firewall
    anti_spoof: fields.Yes = DEFAULT.anti_spoof
    management_forwarding: fields.Yes = DEFAULT.management_forwarding
    user: fields.User = DEFAULT.user
    uid: fields.Uid = DEFAULT.uid
    share: fields.Share = DEFAULT.share
    mpi: MpiKeys = Field(default=MpiKeys(), description="a mapping with ranges of ports")
    boot_timeout: fields.Seconds = DEFAULT.boot_timeout
    pool: fields.Pool = DEFAULT.pool
    pool_path: fields.Folder = DEFAULT.pool_path
    lab: LabKeys | None = Field(default=None, description="a mapping with the lab's two networks")


class DefaultsFile(Keys):
    """defaults.yaml."""

    data: ClusterKeys = Field(description="a mapping with the cluster's settings")


class ServerGroupData(Keys):
    """`data` of a group of servers in groups.yaml."""

    key_file: fields.File | None = None
    known_hosts: fields.File | None = None
    local: fields.Yes = False


class ServerData(ServerGroupData):
    """`data` of a server in hosts.yaml."""

    underlay: fields.Underlay | None = None


class ServerGroup(Keys):
    """`hypervisor` or `switch` of groups.yaml."""

    username: fields.Login = "root"
    port: fields.Port = 22
    data: ServerGroupData = Field(default=ServerGroupData(), description="a mapping")


class ServerKeys(Keys):
    """A server of hosts.yaml."""

    hostname: fields.Hostname
    groups: fields.Groups
    username: fields.Login = "root"
    port: fields.Port = 22
    data: ServerData = Field(default=ServerData(), description="a mapping")


class GuestData(Keys):
    """`data` of a guest or of the group of guests."""

    hypervisor: fields.Reference | None = None


class GuestGroup(Keys):
    """`guest` of groups.yaml."""

    data: GuestData = Field(default=GuestData(), description="a mapping")


class GuestKeys(GuestGroup):
    """A guest or a node set of hosts.yaml."""

    groups: fields.Groups


class GroupsFile(Keys):
    """groups.yaml."""

    hypervisor: ServerGroup = Field(default=ServerGroup(), description="a mapping")
    switch: ServerGroup = Field(default=ServerGroup(), description="a mapping")
    guest: GuestGroup = Field(default=GuestGroup(), description="a mapping")
