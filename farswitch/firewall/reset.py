"""What `reset` takes away; pure.

The journal has a claim for each chain's rules and for each policy, all with one set of owners.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from farswitch.firewall import nft
from farswitch.firewall.iptables import Emptied
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
from farswitch.state.keys import FIREWALL_KEYS, DefinitionKey, PolicyKey, ResetKey, RulesKey
from farswitch.state.saved_settings import Claim, Journal, claim, claim_more

SHOWN = 160
"""Characters of a rule in a list of changes."""

Flush = dict[str, dict[str, list[Emptied]]]
"""By legacy tool and table: the chains to empty."""


@dataclass(frozen=True, slots=True)
class Reset:
    """What is taken away: the journal to store first, one nft transaction, the legacy tools."""

    journal: Journal
    commands: tuple[nft.Json, ...] = ()
    legacy: Flush = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    emptied: tuple[Chain, ...] = ()
    """The chains whose rules go: they must be such that their tool can take them back."""


def plan_reset(have: Ruleset, book: Journal, cluster: str, mark: str) -> Reset:
    """Return what leaves no rule and no closed policy but the guards and other clusters' own.

    Rules with the mark are of the cluster's `narrow` mode and go without a record.
    """
    owners = book.owners(FIREWALL_KEYS) | {cluster}
    plan = Reset(book.put(ResetKey(), Claim((), (), frozenset())))
    for chain in have.chains:
        plan = _take(plan, chain, owners, mark)
    journal = plan.journal
    for key, held in journal.claims.items():
        if isinstance(key, FIREWALL_KEYS):
            journal = journal.put(key, replace(held, owners=held.owners | owners))
    return replace(plan, journal=journal)


def _take(plan: Reset, chain: Chain, owners: frozenset[str], mark: str) -> Reset:
    if chain.dormant or not chain.changeable:
        return plan
    journal, commands = plan.journal, list(plan.commands)
    lines = tuple(rule.text for rule in chain.foreign)
    closed = chain.closed
    gone = [rule for rule in chain.rules if not rule.ours or rule.ours == mark]
    if lines:
        journal = claim_more(journal, RulesKey(chain.key), lines, owners)
    if (lines or closed) and chain.nft and chain.tool == NFT:
        definition = json.dumps(chain.nft.definition())
        key = DefinitionKey(chain.key)
        if key not in journal.claims:
            journal = journal.put(key, Claim((definition,), (definition,), owners))
    policy = PolicyKey(chain.key)
    if chain.policy and (closed or policy in journal.claims):
        for owner in owners:
            journal = claim(journal, policy, owner, (chain.policy,), (chain.open_policy,))
    changes = [f"- {chain.key}: {shortened(rule.text)}" for rule in gone]
    if closed:
        changes.append(f"~ {chain.key}: policy {chain.policy} -> {chain.open_policy}")
    legacy = plan.legacy
    if chain.nft:
        commands += _deletion(chain, [rule.handle for rule in gone], closed=closed)
    elif gone or closed:
        table = legacy.setdefault(chain.tool, {}).setdefault(chain.table, [])
        kept = tuple(rule.text for rule in chain.rules if rule not in gone)
        table.append(Emptied(chain.name, kept, opened=closed))
    emptied = (*plan.emptied, chain) if lines else plan.emptied
    return Reset(journal, tuple(commands), legacy, (*plan.changes, *changes), emptied)


def _deletion(chain: Chain, handles: list[int | None], *, closed: bool) -> list[nft.Json]:
    assert chain.nft is not None  # noqa: S101 - for the type checker: the caller looked
    family, table, name = chain.nft.place
    commands: list[nft.Json] = []
    if closed and not chain.user:
        commands.append({"add": {"chain": chain.nft.definition(chain.open_policy)}})
    elif closed:  # ebtables: the policy is the last rule
        handles = [*handles, chain.nft.rules[-1].handle]
    rule = {"family": family, "table": table, "chain": name}
    return [*commands, *({"delete": {"rule": {**rule, "handle": handle}}} for handle in handles)]


def shortened(line: str) -> str:
    """Return a rule as a list of changes shows it."""
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
