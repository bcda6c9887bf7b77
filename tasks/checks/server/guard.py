"""Has the guard all its tables, chains and rules, each at its hook and priority?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.firewall import guard, nft
from farswitch.firewall.guard_wanted import guard_tables, wanted_guard
from farswitch.firewall.nft import Json, NftChain
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.fixes import Fixes
from farswitch.proof.probe import Probe, of_each

NAME = "server.guard"
Tables = Mapping[str, list[Json]]
"""Tables of nft, by family."""
CAUSE = (
    "Somebody flushed the rules (nft flush ruleset: the start of nftables.service, of firewalld "
    "or of a configuration tool does it), or the server was started anew since the build."
)


def differences(have: Sequence[Json], want: Sequence[Json]) -> list[str]:
    """Return what differs between a table as it is and as it should be; pure."""
    if not have:
        return ["it is not there"]
    there = {chain.name: chain for chain in nft.chains(list(have))}
    found: list[str] = []
    for chain in nft.chains(list(want)):
        if (one := there.pop(chain.name, None)) is None:
            found.append(f"chain '{chain.name}' is not there")
            continue
        found += _chains(one, chain)
    found += [f"chain '{name}' is not of the guard" for name in there]
    if not found and nft.canonical(list(have)) != nft.canonical(list(want)):
        found.append("it is not as built: its flags or the order of its rules differ")
    return found


def _chains(have: NftChain, want: NftChain) -> Iterator[str]:
    for what in ("hook", "priority", "policy"):
        is_, should = getattr(have, what), getattr(want, what)
        if is_ != should:
            yield f"chain '{want.name}' has {what} {is_} instead of {should}"
    rules, wanted = ([nft.canonical(list(one.expr)) for one in c.rules] for c in (have, want))
    if missing := [one for one in wanted if one not in rules]:
        yield f"chain '{want.name}' lacks {len(missing)} of {len(wanted)} rules"
    if more := [one for one in rules if one not in wanted]:
        yield f"chain '{want.name}' has {len(more)} rules that are not of the guard"


def judge(
    server: str,
    table: str,
    have: Mapping[str, Sequence[Json]],
    want: Mapping[str, Sequence[Json]],
    fix: Callable[[str], str],
) -> Iterator[Check]:
    """Yield one verdict a table that should be there.

    An empty one in `want` should not be there.
    """
    for family, wanted in want.items():
        if not wanted:
            continue
        wrong = differences(have.get(family, ()), wanted)
        rules = sum("rule" in one for one in wanted)
        yield Check(
            name=NAME,
            host=server,
            ok=not wrong,
            measured=f"table {family} {table}: {'; '.join(wrong) or f'all {rules} rules'}",
            expected=f"table {family} {table}: all {rules} rules, nothing else",
            cause=CAUSE,
            fix=fix(family),
        )


def observe(task: Task, context: Context) -> tuple[Tables, Tables]:
    """Read the guard of a server, and what the server's own nft makes of the wanted one."""
    cluster, device = context.cluster, context.device(task.host.name)
    want = wanted_guard(cluster, cluster.server(task.host.name), device)
    return guard.observe(shell(task), cluster.owner, guard_tables(want, cluster.owner))


def verdicts(context: Context, server: str, observed: tuple[Tables, Tables]) -> Iterator[Check]:
    """Yield the verdicts on a server's guard."""
    have, want = observed
    owner, fixes = context.cluster.owner, Fixes.of(context, server)

    def fix(family: str) -> str:
        if not guard.is_foreign(have[family], owner.mark):
            return context.rebuild
        return fixes.then_build(["nft", "delete", "table", family, owner.guard_table])

    return judge(server, owner.guard_table, have, want, fix)


PROBE = Probe(
    "servers",
    {NAME: "The guard has all its rules, at its hooks and priorities."},
    of_each("servers", observe, verdicts),
)
