"""Has the guard all its tables, chains and rules, each at its hook and priority?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.firewall import guard
from farswitch.firewall.guard_wanted import guard_tables, wanted_guard
from farswitch.firewall.nft import Json
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
        wrong = guard.differences(have.get(family, ()), wanted)
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
