"""Does a rule or policy of any tool stand in the way of the tunnels or of bridged frames?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import read
from farswitch.firewall.evaluate import RuleClash, find_clash, seen_by
from farswitch.firewall.iptables import KERNEL_FAMILY, LEGACY
from farswitch.firewall.modes import converge
from farswitch.firewall.ruleset import NFT, Ruleset
from farswitch.firewall.traffic import Flow, filtered, wanted_flows
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.sysctl import converge as sysctl
from tasks.checks.server.rule_names import literal, removals, setter

NAME = "server.firewall"
TOOLS = (NFT, *KERNEL_FAMILY, *LEGACY)
CALLS = {
    "net.bridge.bridge-nf-call-iptables": "ip",
    "net.bridge.bridge-nf-call-ip6tables": "ip6",
    "net.bridge.bridge-nf-call-arptables": "arp",
}
"""The settings that show bridged frames to the tables of another family."""
SHOWN = 3
"""Flows that are named for one rule."""


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A rule or policy: literally, who usually sets it, what it may drop, and why it can."""

    where: RuleClash
    text: str
    setter: str
    drops: tuple[str, ...]
    by_call: bool = False

    def __str__(self) -> str:
        drops = ", ".join(self.drops[:SHOWN])
        more = f" and {len(self.drops) - SHOWN} more" if len(self.drops) > SHOWN else ""
        call = " (bridge-nf-call-* is 1)" if self.by_call else ""
        return f"'{self.text}' in {self.where.chain} drops {drops}{more}{call}"


def called(values: Mapping[str, str]) -> frozenset[str]:
    """Return the families whose tables see bridged frames, by the settings; pure."""
    families = {family for key, family in CALLS.items() if values.get(key) == "1"}
    return frozenset(families | ({"inet"} if families & {"ip", "ip6"} else set()))


def blocked(have: Ruleset, wanted: Sequence[Flow]) -> list[tuple[RuleClash, tuple[str, ...]]]:
    """Return each rule or policy that may drop something, with what it may drop; pure."""
    found: dict[tuple[str, int | None], tuple[RuleClash, tuple[str, ...]]] = {}
    for flow in wanted:
        for chain in have.chains:
            if seen_by(chain, flow) and (one := find_clash(have, chain, flow)):
                _, drops = found.get(one.place, (one, ()))
                found[one.place] = (one, (*drops, str(flow)))
    return list(found.values())


def judge(
    server: str, found: Sequence[InTheWay], fix: Callable[[Sequence[InTheWay]], str]
) -> Iterator[Check]:
    """Yield one verdict a tool.

    `fix` returns the command that takes some of it away.
    """
    for tool in TOOLS:
        mine = [one for one in found if one.where.chain.tool == tool]
        setters = dict.fromkeys(one.setter for one in mine)
        yield Check(
            name=NAME,
            host=server,
            ok=not mine,
            measured=f"{tool}: {'; '.join(map(str, mine)) or 'nothing in the way'}",
            expected=f"{tool}: nothing that drops the tunnels' packets or bridged frames",
            cause=f"It is {', '.join(setters)}." if mine else "",
            fix=fix(mine) if mine else "",
        )


def look(login: Shell, cluster: Cluster, server: Server, device: str) -> list[InTheWay]:
    """Read all rules of a server, and name those that are in the way."""
    have = read.observe(login)
    families = called(sysctl.observe(login).values)
    always = blocked(have, wanted_flows(cluster, server, device))
    known = {one.place for one, _ in always}
    by_call = blocked(have, filtered(cluster, server, families)) if families else []
    return [
        InTheWay(one, literal(login, one), setter(have, one), drops, one.place not in known)
        for one, drops in (*always, *((o, d) for o, d in by_call if o.place not in known))
    ]


def observe(task: Task, context: Context) -> tuple[list[InTheWay], bool]:
    """Read the firewall of a server, and whether a build opens what is in the way there."""
    login, cluster = shell(task), context.cluster
    server = cluster.server(task.host.name)
    device = context.device(task.host.name)
    found = look(login, cluster, server, device)
    return found, not found or _mends(login, cluster, server, device)


def verdicts(
    context: Context, server: str, observed: tuple[Sequence[InTheWay], bool]
) -> Iterator[Check]:
    """Yield the verdicts on a server's firewall."""
    found, mends = observed

    def fix(mine: Sequence[InTheWay]) -> str:
        """A build opens what its mode allows, and keeps bridged frames from other tables."""
        if mends or all(one.by_call for one in mine):
            return context.rebuild
        line = [one.where for one in mine if not one.by_call]
        return removals(line, lambda argv: context.command(server, argv))

    return judge(server, found, fix)


def _mends(login: Shell, cluster: Cluster, server: Server, device: str) -> bool:
    """Ask the build whether it can: in mode `check` it refuses, and where rules cannot return."""
    mode, flows = cluster.settings.firewall, wanted_flows(cluster, server, device)
    try:
        converge(login, cluster.owner, mode, flows, dry_run=True)
    except FarswitchError:
        return False
    return True


PROBE = Probe(
    "servers",
    {NAME: "No rule or policy of any tool drops the tunnels' packets or bridged frames."},
    of_each("servers", observe, verdicts),
)
