"""Numbers of attributes and flags of links and neighbours, by their names in the kernel's headers.

Those of <linux/if_link.h>, where nothing else is said.
"""

from __future__ import annotations

from enum import IntEnum

IFF_UP, IFF_RUNNING, IFF_NOARP = 0x1, 0x40, 0x80
"""Interface flags of <linux/if.h>."""
BR_STATE_FORWARDING = 3
"""State of a bridge's port in <linux/if_bridge.h>."""
GEN_MODE_NONE = 1
"""IN6_ADDR_GEN_MODE_NONE: no IPv6 address by itself."""
INET6_ADDR_GEN_MODE = 8
"""IFLA_INET6_ADDR_GEN_MODE."""
SKIP_STATISTICS = 1 << 3
"""RTEXT_FILTER_SKIP_STATS of <linux/rtnetlink.h>: those of IPv6 are half of a dump."""


class Ifla(IntEnum):
    """IFLA_…."""

    ADDRESS = 1
    IFNAME = 3
    MTU = 4
    LINK = 5
    MASTER = 10
    TXQLEN = 13
    LINKINFO = 18
    IFALIAS = 20
    STATS64 = 23
    AF_SPEC = 26
    GROUP = 27
    LINK_NETNSID = 37
    PROP_LIST = 52
    ALT_IFNAME = 53


class Info(IntEnum):
    """IFLA_INFO_…: what an interface is, and what it is to its master."""

    KIND = 1
    DATA = 2
    SLAVE_KIND = 4
    SLAVE_DATA = 5


class BridgeOption(IntEnum):
    """IFLA_BR_…."""

    FORWARD_DELAY = 1
    STP_STATE = 5


class PortOption(IntEnum):
    """IFLA_BRPORT_…."""

    STATE = 1
    LEARNING = 8
    UNICAST_FLOOD = 9
    MCAST_FLOOD = 27
    BCAST_FLOOD = 30
    ISOLATED = 33


class VxlanOption(IntEnum):
    """IFLA_VXLAN_…."""

    ID = 1
    GROUP = 2
    LINK = 3
    LOCAL = 4
    LEARNING = 7
    PORT = 15
    GROUP6 = 16
    LOCAL6 = 17
    UDP_ZERO_CSUM6_RX = 20
    REMCSUM_RX = 22
    GBP = 23
    REMCSUM_NOPARTIAL = 24
    COLLECT_METADATA = 25
    GPE = 27
    VNIFILTER = 30


class Nda(IntEnum):
    """NDA_… of <linux/neighbour.h>."""

    DST = 1
    LLADDR = 2
    PORT = 6
    VNI = 7
    MASTER = 9
