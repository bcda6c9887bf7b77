"""Does a rule or policy of any tool stand in the way of the tunnels or of bridged frames?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import read
from farswitch.firewall.evaluate import RuleClash, find_clashes, suspects
from farswitch.firewall.iptables import KERNEL_FAMILY, LEGACY
from farswitch.firewall.modes import converge
from farswitch.firewall.obstacles import remedy, shortened
from farswitch.firewall.ruleset import NFT, TC, TCX, XDP, Ruleset
from farswitch.firewall.traffic import Flow, filtered, wanted_flows
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.sysctl import converge as sysctl
from tasks.checks.server.rule_names import removals, setter

NAME = "server.firewall"
TOOLS = (NFT, *KERNEL_FAMILY, *LEGACY, TC, TCX, XDP)
CALLS = {
    "net.bridge.bridge-nf-call-iptables": "ip",
    "net.bridge.bridge-nf-call-ip6tables": "ip6",
    "net.bridge.bridge-nf-call-arptables": "arp",
}
"""The settings that show bridged frames to the tables of another family."""


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A rule or policy, who usually sets it, what it may drop, and why it can."""

    where: RuleClash
    setter: str
    drops: tuple[Flow, ...]
    by_call: bool = False

    def __str__(self) -> str:
        call = " (bridge-nf-call-* is 1)" if self.by_call else ""
        return f"{self.where} drops {shortened(self.drops)}{call}"


@dataclass(frozen=True, slots=True)
class Observed:
    """What is in the way on a server, programs that may be, and whether a build opens it."""

    in_the_way: Sequence[InTheWay]
    programs: Sequence[RuleClash]
    mends: bool


def called(values: Mapping[str, str]) -> frozenset[str]:
    """Return the families whose tables see bridged frames, by the settings; pure."""
    families = {family for key, family in CALLS.items() if values.get(key) == "1"}
    return frozenset(families | ({"inet"} if families & {"ip", "ip6"} else set()))


def judge(
    server: str,
    in_the_way: Sequence[InTheWay],
    fix: Callable[[Sequence[InTheWay]], str],
    programs: Sequence[RuleClash] = (),
) -> Iterator[Check]:
    """Yield one verdict a tool.

    `fix` returns the command that takes some of it away. The programs may drop something, which
    'reach.tunnel' tries: they are named only.
    """
    known = {rule.where.place for rule in in_the_way}
    for tool in TOOLS:
        named = [one for one in programs if one.chain.tool == tool and one.place not in known]
        also = f"; to be tried: {', '.join(map(str, named))}" if named else ""
        mine = [rule for rule in in_the_way if rule.where.chain.tool == tool]
        setters = dict.fromkeys(rule.setter for rule in mine)
        yield Check(
            name=NAME,
            host=server,
            ok=not mine,
            measured=f"{tool}: {'; '.join(map(str, mine)) or 'nothing in the way'}{also}",
            expected=f"{tool}: nothing that drops the tunnels' packets or bridged frames",
            cause=f"It is {', '.join(setters)}." if mine else "",
            fix=fix(mine) if mine else "",
        )


def look(
    login: Shell, cluster: Cluster, server: Server, have: Ruleset, flows: Sequence[Flow]
) -> tuple[list[InTheWay], tuple[RuleClash, ...]]:
    """Name the rules of a server that are in the way, and programs that may be."""
    families = called(sysctl.observe(login).values)
    always = find_clashes(have, flows)
    known = {clash.place for clash, _ in always}
    by_call = find_clashes(have, filtered(cluster, server, families)) if families else []
    found = [
        InTheWay(clash, setter(have, clash), drops, clash.place not in known)
        for clash, drops in (*always, *(pair for pair in by_call if pair[0].place not in known))
    ]
    return found, suspects(have, flows)


def observe(task: Task, context: Context) -> Observed:
    """Read the firewall of a server, and whether a build opens what is in the way there."""
    login, cluster = shell(task), context.cluster
    server = cluster.server(task.host.name)
    underlay = context.underlay(task.host.name)
    have = read.observe(login)
    flows = wanted_flows(cluster, server, underlay.device, underlay.below)
    in_the_way, programs = look(login, cluster, server, have, flows)
    mends = not in_the_way or _mends(login, cluster, have, flows)
    return Observed(in_the_way, programs, mends=mends)


def verdicts(context: Context, server: str, observed: Observed) -> Iterator[Check]:
    """Yield the verdicts on a server's firewall."""

    def fix(mine: Sequence[InTheWay]) -> str:
        """A build opens what its mode allows, and keeps bridged frames from other tables."""
        if observed.mends or all(rule.by_call for rule in mine):
            return context.rebuild
        clashes = [rule.where for rule in mine if not rule.by_call]
        if owned := [clash for clash in clashes if clash.chain.owner]:
            return remedy(owned[0], context.cluster.settings.firewall, server)
        return removals(clashes, lambda argv: context.command(server, argv))

    return judge(server, observed.in_the_way, fix, observed.programs)


def _mends(login: Shell, cluster: Cluster, have: Ruleset, flows: Sequence[Flow]) -> bool:
    """Ask the build whether it can: in mode `check` it refuses, and where rules cannot return."""
    mode = cluster.settings.firewall
    try:
        converge(login, cluster.owner, mode, flows, have=have, dry_run=True)
    except FarswitchError:
        return False
    return True


PROBE = Probe(
    "servers",
    {NAME: "No rule or policy of any tool drops the tunnels' packets or bridged frames."},
    of_each("servers", observe, verdicts),
)
