"""Whether a job runs on the site's cluster: then nothing is measured beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from farswitch.connections.netlink.links import Link
from farswitch.connections.shell.base import Shell
from farswitch.model.cluster import Cluster

SECONDS = 1.0
"""Between two looks at the ports' counters."""
IDLE = 100
"""Packets a second of one port that a cluster without a job stays below: ARP, and what the share's
clients and clocks say."""
PROCESSES = ("sh", "-c", "grep -sxE 'hydra_pmi_proxy|mpiexec.*' /proc/[0-9]*/comm")
"""Finds what every job of MPICH has on each of its nodes; a process's name has 15 characters."""


def packets(cluster: Cluster, links: Iterable[Link]) -> dict[str, int]:
    """Return what passed each guest's port of the switch, by guest; pure."""
    traffic = {link.name: link.traffic for link in links}
    found = ((guest.name, traffic.get(guest.tunnel)) for guest in cluster.guests)
    return {name: one.received_packets + one.sent_packets for name, one in found if one}


def busy_ports(
    before: Mapping[str, int], after: Mapping[str, int], seconds: float
) -> dict[str, float]:
    """Return the guests with traffic at their port, in packets a second; pure."""
    rates = {name: (many - before.get(name, many)) / seconds for name, many in after.items()}
    return {name: rate for name, rate in rates.items() if rate > IDLE}


def mpi_processes(guest: Shell) -> Sequence[str]:
    """Return the processes of MPI jobs on a guest, each as `NAME NUMBER`."""
    lines = guest.run(PROCESSES, check=False).stdout.splitlines()
    found = (line.removeprefix("/proc/").partition("/comm:") for line in lines)
    return [f"{name} {number}" for number, _, name in found]
