"""The keys of a site's three files. Defaults are those of the models, written once."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from farswitch.model.cluster import DEFAULT_LAB_NAME
from farswitch.model.settings import Settings
from farswitch.site import field_types

DEFAULT = Settings(cluster="")


class Keys(BaseModel):
    """A mapping in which every key is known and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ImageKeys(Keys):
    """`data.image` of defaults.yaml."""

    source: field_types.Source = DEFAULT.image.source
    sha256: field_types.Sha256 | None = DEFAULT.image.sha256


class MpiKeys(Keys):
    """`data.mpi` of defaults.yaml."""

    launcher_ports: field_types.Ports = DEFAULT.launcher_ports
    payload_ports: field_types.Ports = DEFAULT.payload_ports


class LabKeys(Keys):
    """`data.lab` of defaults.yaml: this site is the lab."""

    name: field_types.LabName = DEFAULT_LAB_NAME
    controller_network: field_types.Network
    underlay_network: field_types.Network


class ClusterKeys(Keys):
    """`data` of defaults.yaml."""

    cluster: field_types.Cluster
    vni_base: field_types.Vni = DEFAULT.vni_base
    udp_port: field_types.UdpPort = DEFAULT.udp_port
    mtu: field_types.Mtu = DEFAULT.mtu
    data_network: field_types.Network = DEFAULT.data_network
    management_network: field_types.Network = DEFAULT.management_network
    memory: field_types.Memory = DEFAULT.memory
    vcpus: field_types.Vcpus = DEFAULT.vcpus
    disk: field_types.Disk = DEFAULT.disk
    image: ImageKeys = Field(default=ImageKeys(), description="a mapping with 'source'")
    firewall: field_types.Firewall = DEFAULT.firewall
    anti_spoof: field_types.Yes = DEFAULT.anti_spoof
    management_forwarding: field_types.Yes = DEFAULT.management_forwarding
    user: field_types.User = DEFAULT.user
    uid: field_types.Uid = DEFAULT.uid
    share: field_types.Share = DEFAULT.share
    mpi: MpiKeys = Field(default=MpiKeys(), description="a mapping with ranges of ports")
    boot_timeout: field_types.Seconds = DEFAULT.boot_timeout
    pool: field_types.Pool = DEFAULT.pool
    pool_path: field_types.Folder = DEFAULT.pool_path
    lab: LabKeys | None = Field(default=None, description="a mapping with the lab's two networks")


class DefaultsFile(Keys):
    """defaults.yaml."""

    data: ClusterKeys = Field(description="a mapping with the cluster's settings")


class ServerGroupData(Keys):
    """`data` of a group of servers in groups.yaml."""

    key_file: field_types.File | None = None
    known_hosts: field_types.File | None = None
    local: field_types.Yes = False


class ServerData(ServerGroupData):
    """`data` of a server in hosts.yaml."""

    underlay: field_types.Underlay | None = None


class ServerGroup(Keys):
    """`hypervisor` or `switch` of groups.yaml."""

    username: field_types.Login = "root"
    port: field_types.Port = 22
    data: ServerGroupData = Field(default=ServerGroupData(), description="a mapping")


class ServerKeys(Keys):
    """A server of hosts.yaml."""

    hostname: field_types.Hostname
    groups: field_types.Groups
    username: field_types.Login = "root"
    port: field_types.Port = 22
    data: ServerData = Field(default=ServerData(), description="a mapping")


class GuestData(Keys):
    """`data` of a guest or of the group of guests."""

    hypervisor: field_types.Reference | None = None


class GuestGroup(Keys):
    """`guest` of groups.yaml."""

    data: GuestData = Field(default=GuestData(), description="a mapping")


class GuestKeys(GuestGroup):
    """A guest or a node set of hosts.yaml."""

    groups: field_types.Groups


class GroupsFile(Keys):
    """groups.yaml."""

    hypervisor: ServerGroup = Field(default=ServerGroup(), description="a mapping")
    switch: ServerGroup = Field(default=ServerGroup(), description="a mapping")
    guest: GuestGroup = Field(default=GuestGroup(), description="a mapping")
