"""What would undo a reset, and what would undo giving back what it took: scripts for `sh`; pure.

Each is right also where the change was cut off before it began, or in its middle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from farswitch.firewall import nft
from farswitch.firewall.apply import ToolCall, policy_calls, reset_calls, restore_calls
from farswitch.firewall.iptables import KERNEL_CHAINS, KERNEL_FAMILY, Emptied
from farswitch.firewall.reset import Flush, Reset, plan_reset
from farswitch.firewall.restore import Restore, plan_restore
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
from farswitch.remote import command
from farswitch.state.saved_settings import Journal


def undo_reset(have: Ruleset, cluster: str, mark: str) -> str:
    """Return what brings the rules back which a reset is about to take; nothing for no rules.

    It first repeats the reset, which changes nothing where that was carried out and completes it
    where it was cut off: so no rule comes back twice.
    """
    plan = plan_reset(have, Journal(), cluster, mark)
    if not plan.changes:
        return ""
    emptied = replace(have, chains=tuple(_emptied(chain, mark) for chain in have.chains))
    given = plan_restore(emptied, plan.journal, cluster)
    lines = [f"{call.line()} 2>/dev/null || true" for call in reset_calls(plan)]
    return _script([*lines, "status=0"], restore_calls(given))


def undo_restore(have: Ruleset, plan: Restore) -> str:
    """Return what takes away again the rules that are about to be given back; nothing for none."""
    if not plan.touched:
        return ""
    legacy: Flush = {}
    kernel: dict[nft.Place, Chain | None] = {}
    for key in plan.touched:
        tool, table, name = key.tool, key.table, key.name
        chain = have.chain(key)
        if tool == NFT:
            family, _, table = table.partition(" ")
            kernel[family, table, name] = chain
        elif tool in KERNEL_FAMILY:
            kernel[KERNEL_FAMILY[tool], table, name] = chain
        else:
            kept = tuple(rule.text for rule in chain.rules) if chain else ()
            kernels = name in KERNEL_CHAINS
            opened = chain.policy == chain.open_policy if chain else kernels
            made = chain is None and not kernels
            emptied = Emptied(name, kept, opened=opened, made=made)
            legacy.setdefault(tool, {}).setdefault(table, []).append(emptied)
    taken = _take_back(have, kernel) if kernel else []
    return _script(["status=0"], [*taken, *reset_calls(Reset(Journal(), legacy=legacy))])


def _emptied(chain: Chain, mark: str) -> Chain:
    kept = tuple(rule for rule in chain.rules if rule.ours and rule.ours != mark)
    return replace(chain, rules=kept, policy=chain.policy and chain.open_policy)


def _take_back(have: Ruleset, chains: dict[nft.Place, Chain | None]) -> list[ToolCall]:
    """Return the calls that leave of these chains what they had before, in one transaction."""
    last = [[place, _last(chain)] for place, chain in chains.items()]
    there = {nft.table_of(listed) for listed in have.listed if "table" in listed}
    after: list[nft.Json] = []
    for place, chain in chains.items():
        family, table, name = place
        if chain is not None and chain.nft is not None and chain.nft.hook is not None:
            after.append({"add": {"chain": chain.nft.definition()}})
        elif chain is None and (family, table) in there:
            made = {"chain": {"family": family, "table": table, "name": name}}
            after += [{"add": made}, {"delete": made}]
    for family, table in sorted({place[:2] for place in chains} - there):
        made = {"table": {"family": family, "name": table}}
        after += [{"add": made}, {"delete": made}]
    after, policies = policy_calls(after)
    return [ToolCall(tuple(command("undo_restore")), json.dumps([last, after])), *policies]


def _last(chain: Chain | None) -> int:
    rules = chain.nft.rules if chain and chain.nft else ()
    return max((rule.handle for rule in rules), default=0)


def _script(lines: list[str], calls: Iterable[ToolCall]) -> str:
    done = [f"{call.line()} || status=1" for call in calls]
    return "\n".join([*lines, *done, "exit $status"])
