"""The choices of one cluster: what each key of defaults.yaml may be, is by default, and means.

Nothing in them depends on a machine. The sentence below a field is its row in docs/inventory.md.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator

from farswitch.model.field_types import (
    PORT_MAX,
    UNPRIVILEGED,
    Fields,
    Flag,
    Mtu,
    Nested,
    Network,
    PoolPath,
    PortRange,
    Ports,
    Share,
    Source,
    UserName,
    auto_or,
    number,
    text,
)
from farswitch.model.impairment import (
    NamedImpairments,
    PortImpairment,
    parse_impairments,
)
from farswitch.model.pin import Pin
from farswitch.model.switch import (
    NamedSwitches,
    Switch,
    choices,
    parse_switch,
    parse_switches,
    written,
)

FIRST_GUEST_OFFSET = 10
"""Addresses before the first guest's: .1 is the gateway, .2 to .10 are the user's."""
DEFAULT_POOL = "farswitch"
OWN_IMAGE = "farswitch"
"""The value of `image.source` that asks for the image made from the system's own packages."""
VNI_MAX = 0xFFFFFF
"""A VNI has 24 bits (RFC 7348, section 5); 0 is left out, as it means "no VNI" to many tools."""
PORTS_PER_BRIDGE = 900
"""Guests of one switch: the kernel takes 1,023 ports a bridge (BR_MAX_PORTS), but there one flooded
frame overruns net.core.netdev_max_backlog (1000), which the oldest ports miss; 900 all get it."""
NO_MORE_PORTS = "one bridge delivers broadcasts to no more ports"
"""Why there are no more guests, as the end of a sentence."""


SwitchChoice = Annotated[
    Switch,
    PlainValidator(parse_switch),
    PlainSerializer(written),
    Nested(choices),
    Field(title="'bridge', or a mapping with the name of a switch and its settings"),
]
SwitchChoices = Annotated[
    NamedSwitches,
    PlainValidator(parse_switches),
    PlainSerializer(lambda named: {name: written(adapter) for name, adapter in named}),
    Nested(choices, named=True),
    Field(
        title="a mapping from names of a-z, 0-9 and '-', none a kind's, to switches as 'switch' is"
    ),
]
Impairments = Annotated[
    NamedImpairments,
    PlainValidator(parse_impairments),
    PlainSerializer(lambda named: {name: port.written() for name, port in named}),
    Nested(lambda: PortImpairment, named=True),
    Field(title="a mapping from guests or node sets to 'to_guest', 'from_guest' and 'link'"),
]
BootsAtOnce = Annotated[
    int | None,
    PlainValidator(auto_or(1, PORTS_PER_BRIDGE)),
    Field(title=f"'auto' or a number from 1 to {PORTS_PER_BRIDGE}"),
]
Sha256 = Annotated[str, text(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case")]
ClusterName = Annotated[
    str,
    text(
        r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?",
        "a name of 1 to 20 of a-z, 0-9 and '-' with a letter first and no '-' at the end",
    ),
]


Package = Annotated[
    str, text(r"[a-z0-9][a-z0-9+.-]{1,62}", "the name of a package of Debian or Ubuntu")
]
"""Debian Policy, section 5.6.1, has no longest; dpkg's own archives have none above 63."""
Packages = Annotated[
    tuple[Package, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    Field(title="a list of names of packages, as [gcc, make]"),
]


class Image(Fields):
    """`data.image`: what the guests boot."""

    source: Source = OWN_IMAGE
    """what the guests boot: our own image, made from Debian's packages, or a cloud image of yours;
    relative paths start at the site's folder"""
    sha256: Sha256 | None = None
    """the digest of your image; required with one, and checked before it is used"""
    packages: Packages = ()
    """only for our own image: what is installed beside its own packages, as the compilers that
    `farswitch app build` needs ([apps.md](apps.md))"""

    @property
    def own(self) -> bool:
        return self.source == OWN_IMAGE


class Mpi(Fields):
    """`data.mpi`: which ports MPI uses."""

    launcher_ports: Ports = PortRange(20000, 20099)
    """TCP ports of MPI's launcher; without 2049, which is NFS's"""
    payload_ports: Ports = PortRange(21000, 21999)
    """TCP ports of MPI's messages; apart from the launcher's, and without 2049"""


class LabNetworks(Fields):
    """`data.lab`: with it, the site's servers are stand-ins of ours."""

    name: Annotated[
        str,
        text(r"[a-z][a-z0-9-]{0,14}", "a name of 1 to 15 of a-z, 0-9 and '-' with a letter first"),
    ] = "farswitch-lab"
    """only for the lab: names its folders and its interface on this machine"""
    controller_network: Network
    """only for the lab: between the controller, which has the first address, and the servers"""
    underlay_network: Network
    """only for the lab: between the servers"""


class Settings(Fields):
    """`data` of defaults.yaml: memory in MiB, disk in GiB, times in seconds, MTU in bytes."""

    cluster: ClusterName
    """names the cluster and, on the servers, everything that belongs to it"""
    vni_base: Annotated[int, number(1, VNI_MAX)] = 41
    """the first guest's VXLAN network identifier (24 bits, RFC 7348); clusters on the same servers
    need ranges apart"""
    udp_port: Annotated[int, number(UNPRIVILEGED, PORT_MAX)] = 4789
    """where the tunnels listen (4789 is IANA's for VXLAN)"""
    mtu: Mtu = None
    """bytes of an IP packet on the data network; `auto` is the underlay's less 50 (IPv4) or 70
    (IPv6). An underlay that shrank since the build is refused, not followed"""
    switch: SwitchChoice = Field(default="bridge", validate_default=True)
    """what carries the frames on the switch server: `bridge`, or a mapping with the name of another
    one and its settings ([switches.md](switches.md))"""
    switches: SwitchChoices = ()
    """further switches by names of yours, for `farswitch switch use NAME`
    ([switches.md](switches.md#exchange-it-under-a-running-job))"""
    impairments: Impairments = ()
    """what ports do to frames on purpose: `{node3: {to_guest: {delay: 2ms, loss: 0.1%}}}`
    ([impair.md](impair.md))"""
    data_network: Network = IPv4Network("10.0.0.0/24")
    """what MPI and NFS use: through the switch"""
    management_network: Network = IPv4Network("10.10.0.0/24")
    """what the controller's logins use: from the hypervisor to its guests, never between guests"""
    memory: Annotated[int, number(256, 1 << 20, unit="MiB")] = 512
    """of each guest"""
    vcpus: Annotated[int, number(1, 255)] = 1
    """of each guest"""
    pin: Annotated[Pin, Field(title="a mapping with processors and memory")] = Pin()
    disk: Annotated[int, number(2, 1 << 14, unit="GiB")] = 4
    """of each guest; grows as it is written"""
    image: Annotated[Image, Field(title="a mapping with 'source'")] = Image()
    firewall: Annotated[
        Literal["reset", "narrow", "check"], Field(title="'reset', 'narrow' or 'check'")
    ] = "reset"
    """`reset` takes all other rules away and restores them at teardown, `narrow` opens what the
    tunnels and bridges need, `check` only reports what is in the way"""
    anti_spoof: Flag = False
    """`true`: a guest may send nothing on `data0` but IPv4 and ARP with its own MAC and address;
    off, because a switch under test may need odd frames"""
    management_forwarding: Flag = False
    """`true`: a guest may go beyond its hypervisor over management, where you have made routes or
    NAT for it; never to another guest or into a tunnel"""
    user: UserName = "mpi"
    """who runs MPI jobs on the guests"""
    uid: Annotated[int, number(1000, 60000)] = 2000
    """that user's number, the same on all guests"""
    share: Share = "/shared"
    """the folder that the head exports and all others mount"""
    mpi: Annotated[Mpi, Field(title="a mapping with ranges of ports")] = Mpi()
    boot_timeout: Annotated[int, number(10, 7200, unit="seconds")] = 300
    """how long a guest may take from its start to a login, and to the end of its boot after that"""
    boots_at_once: BootsAtOnce = None
    """how many guests of a hypervisor boot at the same time, at most; `auto` is twice its
    processors"""
    pool: Annotated[
        str, text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, '.', '_' and '-'")
    ] = DEFAULT_POOL
    """the libvirt storage pool for images and disks"""
    pool_path: PoolPath = "/var/lib/libvirt/images/farswitch"
    """that pool's folder on each hypervisor"""
    lab: Annotated[LabNetworks | None, Field(title="a mapping with the lab's two networks")] = None

    @property
    def management_bridge(self) -> str:
        """The bridge of the guests' management NICs on each hypervisor."""
        return f"fsg{self.vni_base}"
