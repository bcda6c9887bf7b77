"""Is a server still as the build left it? The build's own tasks say, in dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink
from farswitch.connections.netlink.links import dump
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.firewall.guard_wanted import wanted_guard
from farswitch.firewall.traffic import wanted_flows
from farswitch.links.wanted import (
    wanted_bridges,
    wanted_forwarding,
    wanted_hops,
    wanted_ports,
    wanted_tunnels,
    wanted_veths,
)
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.fixes import Fixes
from farswitch.proof.probe import Probe, attempt, of_each
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.fdb import fdb
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.mtu import mtu
from tasks.switch import switch
from tasks.sysctl import sysctl
from tasks.veth import veth
from tasks.vxlan import vxlan

NAME = "server.drift"
EXPECTED = "a build would change nothing"


def removal(error: ForeignObjectError) -> list[str]:
    """Return what removes something that stands under our name without our mark; pure."""
    kind, _, family = error.kind.rstrip(")").partition(" (")
    return {
        "File": ["rm", error.name],
        "nft table": ["nft", "delete", "table", family, error.name],
    }.get(kind, ["ip", "link", "del", "dev", error.name])


def judge(server: str, part: str, would: str, rebuild: str) -> Check:
    """Return the verdict on what one task of the build would change there; pure."""
    lines = would.strip().splitlines()
    return Check(
        name=NAME,
        host=server,
        ok=not lines,
        measured=f"{part}: {'; '.join(lines) or EXPECTED}",
        expected=f"{part}: {EXPECTED}",
        cause="Somebody or something changed it since the build.",
        fix=rebuild,
    )


def refused(server: str, part: str, error: FarswitchError, fixes: Fixes) -> Check:
    """Return the verdict where a build would refuse to go on; pure."""
    return Check(
        name=NAME,
        host=server,
        ok=False,
        measured=f"{part}: {error}",
        expected=f"{part}: {EXPECTED}",
        cause=f"A build would stop there. {error.hint}".strip(),
        fix=fixes.then_build(removal(error)) if isinstance(error, ForeignObjectError) else "",
    )


def observe(task: Task, context: Context) -> dict[str, Result | FarswitchError]:
    """Ask each task that a build runs on a server what it would change."""
    cluster, underlay = context.cluster, context.underlay(task.host.name)
    device = underlay.device
    server, owner = cluster.server(task.host.name), cluster.owner
    size = context.mtu
    bridges = wanted_bridges(cluster, server, mtu=size)
    guarded = wanted_guard(cluster, server, device)
    mode, flows = cluster.settings.firewall, wanted_flows(cluster, server, device, underlay.below)
    tunnels = wanted_tunnels(cluster, server, device=device, mtu=size)
    forwarding, ends = wanted_forwarding(cluster, server), wanted_veths(cluster, server, mtu=size)
    ports, hops = wanted_ports(cluster, server), wanted_hops(cluster, server)
    with netlink(task).session() as ipr:
        have = dump(ipr)
    parts: dict[str, Callable[[], Result]] = {
        "sysctl": lambda: sysctl(task, owner, dry_run=True),
        "guard": lambda: guard(task, owner, guarded, dry_run=True),
        "firewall": lambda: firewall_reset(task, owner, mode, flows, dry_run=True),
        "bridges": lambda: bridge(task, bridges, owner, have=have, dry_run=True),
        "veths": lambda: veth(task, ends, owner, have=have, dry_run=True),
        "tunnels": lambda: vxlan(task, tunnels, owner, have=have, dry_run=True),
        "ports": lambda: bridge_ports(task, ports, have=have, dry_run=True),
        "fdb": lambda: fdb(task, forwarding, tunnels, owner, have=have, dry_run=True),
        "mtu": lambda: mtu(task, size, hops, have=have, dry_run=True),
    }
    if server.role == "switch" and cluster.attachment != "bridge":
        adapter, held = cluster.settings.switch, cluster.switch_ports(size)
        parts["switch"] = lambda: switch(task, adapter, held, owner, dry_run=True)
    return {part: attempt(dry_run) for part, dry_run in parts.items()}


def verdicts(
    context: Context, server: str, observed: Mapping[str, Result | FarswitchError]
) -> Iterator[Check]:
    """Yield one verdict a task."""
    for part, would in observed.items():
        if isinstance(would, FarswitchError):
            yield refused(server, part, would, Fixes.of(context, server))
        else:
            yield judge(server, part, _changes(would), context.rebuild)


def _changes(would: Result) -> str:
    return (would.diff or f"{getattr(would, 'count', 1)} changes") if would.changed else ""


PROBE = Probe(
    "servers",
    {NAME: "A build would change nothing on the server."},
    of_each("servers", observe, verdicts),
)
