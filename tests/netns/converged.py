"""The guard and the firewall of a cluster's server, converged as a build does it."""

from farswitch.connections.shell.base import Shell
from farswitch.firewall import guard as guard_tables
from farswitch.firewall import modes
from farswitch.firewall.guard_wanted import wanted_guard
from farswitch.firewall.traffic import wanted_flows
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server


def guard(shell: Shell, cluster: Cluster, server: Server, device="", *, present=True, **options):
    want = wanted_guard(cluster, server, device) if present else None
    return guard_tables.converge(shell, cluster.owner, want, **options)


def firewall(
    shell: Shell, cluster: Cluster, server: Server, *, device="", below=(), present=True, **options
):
    mode = cluster.settings.firewall if present else None
    flows = wanted_flows(cluster, server, device, below) if present else ()
    return modes.converge(shell, cluster.owner, mode, flows, **options)
