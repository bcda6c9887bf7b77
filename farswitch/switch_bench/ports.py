"""The bench's own ports: a cluster without guests, beside the site's, with marks of its own."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import replace

from farswitch.errors import FarswitchError
from farswitch.firewall.guard_wanted import GuardWanted, wanted_guard
from farswitch.links.wanted import wanted_tunnels
from farswitch.model.cluster import Cluster
from farswitch.model.links import Tunnel
from farswitch.model.machines import Guest, Server

SUFFIX = "-bench"
LONGEST = 20 - len(SUFFIX)
"""Characters of a cluster's name that are kept; a cluster's has 20 at most."""
PORTS = 4
"""One that sends, one that gets, and two that should hear only what is for all."""
FIRST_VNI, PLACES = 0xF00000, 0x1000
"""Where the bench's VNIs begin, and how many clusters have ranges of their own."""
FOLDER = "/var/lib/farswitch"


def bench_name(cluster: str) -> str:
    """Return the name that marks what a cluster's bench makes; pure."""
    if len(cluster) > LONGEST:
        cluster = f"{cluster[: LONGEST - 7]}-{zlib.crc32(cluster.encode()) & 0xFFFFFF:06x}"
    return f"{cluster}{SUFFIX}"


def vni_base(name: str, taken: Collection[int]) -> int:
    """Return the first of the bench's VNIs: its own range by its name, or the next free one.

    Raises:
        FarswitchError: None is free.
    """
    own = zlib.crc32(name.encode()) % PLACES
    for place in (*range(own, PLACES), *range(own)):
        first: int = FIRST_VNI + place * PORTS
        if not set(taken) & set(range(first, first + PORTS)):
            return first
    raise FarswitchError(f"No VNIs from {FIRST_VNI} on are free on the servers.")


def bench_cluster(cluster: Cluster, taken: Collection[int]) -> Cluster:
    """Return the cluster whose guests are the bench's ports, all on the first hypervisor.

    One machine sends and counts, so that one clock times the frames. `taken` are others' VNIs.
    """
    name, home = bench_name(cluster.name), cluster.hypervisors[0]
    chosen = {"cluster": name, "vni_base": vni_base(name, taken), "switches": ()}
    settings = cluster.settings.model_copy(update=chosen)
    ports = (Guest(f"port{at}", at, home.name, settings) for at in range(1, PORTS + 1))
    return Cluster(settings, (home,), cluster.switch, tuple(ports))


def bench_tunnels(cluster: Cluster, server: Server, *, device: str, mtu: int) -> tuple[Tunnel, ...]:
    """List the ends of tunnels on a server: on the hypervisor in no bridge, and mute."""
    wanted = wanted_tunnels(cluster, server, device=device, mtu=mtu)
    if server.role == "switch":
        return wanted
    return tuple(replace(tunnel, master=None, arp=False) for tunnel in wanted)


def bench_guard(cluster: Cluster, server: Server, device: str) -> GuardWanted:
    """Return the guard of a server: on the hypervisor nothing but the tunnels' ends."""
    want = wanted_guard(cluster, server, device)
    if server.role == "switch":
        return want
    ends = tuple(guest.tunnel for guest in cluster.guests)
    return replace(want, bridges=(), ends=ends, ports=ends, management=None, data_nics=())
