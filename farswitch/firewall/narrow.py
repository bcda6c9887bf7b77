"""One accepting rule of ours in front of each foreign chain that would drop a cluster's traffic."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farswitch.connections.shell.base import Shell
from farswitch.firewall.evaluate import find_clash, seen_by
from farswitch.firewall.nft import Json
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
from farswitch.firewall.traffic import Flow
from farswitch.remote import command

_TAKE_BACK = f'take_back() {{ {shlex.join(command("undo_narrow"))} "$@"; }}'
_OR, _END = " || failed=1", "exit ${failed:-0}"
"""Of `sh`."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """One transaction of nft, then commands of iptables; and what cannot be opened."""

    transaction: tuple[Json, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    changes: tuple[str, ...] = ()
    undo: str = ""
    """A script for `sh` that makes our rules what they were; it fails where a part of it does."""


def plan_narrow(have: Ruleset, wanted: Sequence[Flow], mark: str) -> Narrow:
    """Return what adds the rules that are needed, and takes away ours that are not; pure.

    The wanted flows have to pass; none takes all our rules away, which have the mark as comment.

    What cannot be opened is passed over: `obstacles` names it.
    """
    plan = Narrow()
    for chain in have.chains:
        if not chain.changeable:
            continue
        seen = [flow for flow in wanted if can_open(chain, flow) and seen_by(chain, flow)]
        needed = [flow for flow in seen if find_clash(have, chain, flow, ours=False)]
        ours = [rule for rule in chain.rules if rule.ours == mark]
        passes = not any(find_clash(have, chain, flow) for flow in needed)
        if passes and len(ours) == len(needed):
            continue
        plan = _rewrite(plan, chain, needed, mark)
    return replace(plan, undo=f"{_TAKE_BACK}\n{plan.undo}\n{_END}") if plan.undo else plan


def can_open(chain: Chain, flow: Flow) -> bool:
    """Tell whether a rule of ours can let a flow pass in a chain.

    The legacy ebtables has no place for our mark, and ebtables-nft-save (1.8.9) reads no rule with
    a mark that looks at addresses or ports.
    """
    if chain.tool.startswith("ebtables") and (
        chain.nft is None or flow.peer or flow.arp or flow.icmp
    ):
        return False
    return chain.changeable


def apply_narrow(shell: Shell, plan: Narrow) -> None:
    """Carry a plan out."""
    if plan.transaction:
        document = json.dumps({"nftables": list(plan.transaction)})
        shell.run(("nft", "-j", "-f", "-"), stdin=document)
    for argv in plan.commands:
        shell.run(argv)


def _rewrite(plan: Narrow, chain: Chain, needed: Sequence[Flow], mark: str) -> Narrow:
    """Put our rules of one chain in front anew."""
    ours = [rule for rule in chain.rules if rule.ours == mark]
    transaction, commands = list(plan.transaction), list(plan.commands)
    if chain.nft is not None and (chain.tool == NFT or chain.tool.startswith("ebtables")):
        family, table, name = chain.nft.place
        place = {"family": family, "table": table, "chain": name}
        transaction += [{"delete": {"rule": {**place, "handle": rule.handle}}} for rule in ours]
        transaction += [_insert(place, flow.nft(), mark) for flow in needed]
        handles = {rule.handle for rule in ours}
        old = [
            _insert(place, rule.expr, mark) for rule in chain.nft.rules if rule.handle in handles
        ]
        undo = [shlex.join(["take_back", mark, *place.values()]) + _OR]
        if old:
            document = json.dumps({"nftables": old[::-1]})
            undo.append(f"printf %s {shlex.quote(document)} | nft -j -f -{_OR}")
    else:
        wait = () if chain.tool.startswith("ebtables") else ("-w", "10")
        start = (chain.tool, *wait, "-t", chain.table)
        comment = ("-m", "comment", "--comment", mark)
        new = [(*comment, *flow.iptables()) for flow in needed]
        kept = [tuple(shlex.split(rule.text)) for rule in ours]
        # Not by number: another program may put a rule in front meanwhile.
        commands += [(*start, "-D", chain.name, *words) for words in kept]
        commands += [(*start, "-I", chain.name, "1", *words) for words in new]
        undo = [shlex.join((*start, "-D", chain.name, *words)) for words in (*new, *kept)]
        undo = [f"{line} 2>/dev/null || true" for line in undo]
        undo += [
            shlex.join((*start, "-I", chain.name, "1", *words)) + _OR for words in reversed(kept)
        ]
    changes = (
        *(f"- {chain}: {rule.ours}" for rule in ours),
        *(f"+ {chain}: accept {flow}" for flow in needed),
    )
    script = "\n".join((*filter(None, [plan.undo]), *undo))
    return Narrow(tuple(transaction), tuple(commands), (*plan.changes, *changes), script)


def _insert(place: Mapping[str, str], expressions: Sequence[Json], mark: str) -> Json:
    return {"insert": {"rule": {**place, "expr": list(expressions), "comment": mark}}}
