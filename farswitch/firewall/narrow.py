"""One accepting rule of ours in front of each foreign chain that would drop a cluster's traffic."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall.evaluate import find_clash, seen_by
from farswitch.firewall.nft import Json
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
from farswitch.firewall.traffic import Flow
from farswitch.remote import script

_TAKE_BACK = script("undo_narrow")


@dataclass(frozen=True, slots=True)
class Narrow:
    """One transaction of nft, then commands of iptables; and what cannot be opened."""

    transaction: tuple[Json, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    changes: tuple[str, ...] = ()
    undo: str = ""
    """A script for `sh` that makes our rules what they were."""


def plan_narrow(have: Ruleset, wanted: Sequence[Flow], mark: str) -> Narrow:
    """Return what adds the rules that are needed, and takes away ours that are not; pure.

    The wanted flows have to pass; none takes all our rules away, which have the mark as comment.

    Raises:
        FarswitchError: Frames are dropped by the legacy ebtables, whose rules have no comments.
    """
    plan = Narrow()
    for chain in have.chains:
        seen = [flow for flow in wanted if seen_by(chain, flow)]
        needed = [flow for flow in seen if find_clash(have, chain, flow, ours=False)]
        ours = [rule for rule in chain.rules if rule.ours == mark]
        if needed and chain.tool == "ebtables-legacy":
            raise FarswitchError(
                f"{needed[0]} is dropped by {chain}, and no rule of ours can carry a mark there.",
                hint="Let it pass yourself, or set firewall: reset in the site.",
            )
        passes = not any(find_clash(have, chain, flow) for flow in needed)
        if passes and len(ours) == len(needed):
            continue
        plan = _rewrite(plan, chain, needed, mark)
    return plan


def describe_clashes(have: Ruleset, wanted: Iterable[Flow]) -> tuple[str, ...]:
    """Return a sentence for each flow that a chain would drop."""
    return tuple(
        f"{flow}: dropped by {found}."
        for flow in wanted
        for chain in have.chains
        if seen_by(chain, flow) and (found := find_clash(have, chain, flow))
    )


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
        transaction += [{"delete": {"rule": {**place, "handle": one.handle}}} for one in ours]
        transaction += [_insert(place, flow.nft(), mark) for flow in needed]
        handles = {one.handle for one in ours}
        old = [_insert(place, one.expr, mark) for one in chain.nft.rules if one.handle in handles]
        undo = [shlex.join(["sh", "-c", _TAKE_BACK, "undo", mark, *place.values()])]
        if old:
            document = json.dumps({"nftables": old[::-1]})
            undo.append(f"printf %s {shlex.quote(document)} | nft -j -f -")
    else:
        wait = () if chain.tool.startswith("ebtables") else ("-w", "10")
        start = (chain.tool, *wait, "-t", chain.table)
        comment = ("-m", "comment", "--comment", mark)
        new = [(*comment, *flow.iptables()) for flow in needed]
        kept = [tuple(shlex.split(one.text)) for one in ours]
        # Not by number: another program may put a rule in front meanwhile.
        commands += [(*start, "-D", chain.name, *words) for words in kept]
        commands += [(*start, "-I", chain.name, "1", *words) for words in new]
        undo = [shlex.join((*start, "-D", chain.name, *words)) for words in (*new, *kept)]
        undo = [f"{line} 2>/dev/null || true" for line in undo]
        undo += [shlex.join((*start, "-I", chain.name, "1", *words)) for words in reversed(kept)]
    changes = (
        *(f"{chain}: - {rule.ours}" for rule in ours),
        *(f"{chain}: + accept {flow}" for flow in needed),
    )
    script = "\n".join((*filter(None, [plan.undo]), *undo))
    return Narrow(tuple(transaction), tuple(commands), (*plan.changes, *changes), script)


def _insert(place: Mapping[str, str], expressions: Sequence[Json], mark: str) -> Json:
    return {"insert": {"rule": {**place, "expr": list(expressions), "comment": mark}}}
