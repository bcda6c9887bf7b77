"""What `reset` takes away; pure.

The journal has a claim for each chain's rules and for each policy, all with one set of owners.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from farswitch.firewall import nft
from farswitch.firewall.iptables import Emptied
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
from farswitch.state.saved_settings import Claim, Journal, claim, claim_more

PREFIX = "firewall:"
SHOWN = 160
"""Characters of a rule in a list of changes."""
HELD = "firewall:reset"
"""A claim of nothing: it says which clusters need the reset, also where nothing was taken."""
RULES, POLICY, CHAIN = (f"{PREFIX}{what}|" for what in ("rules", "policy", "chain"))

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
    owners = book.owners(PREFIX) | {cluster}
    plan = Reset(book.put(HELD, Claim((), (), frozenset())))
    for chain in have.chains:
        plan = _take(plan, chain, owners, mark)
    journal = plan.journal
    for key, held in journal.claims.items():
        if key.startswith(PREFIX):
            journal = journal.put(key, replace(held, owners=held.owners | owners))
    return replace(plan, journal=journal)


def _take(plan: Reset, chain: Chain, owners: frozenset[str], mark: str) -> Reset:
    journal, commands = plan.journal, list(plan.commands)
    lines = tuple(rule.text for rule in chain.foreign)
    closed = chain.policy not in {None, chain.open_policy}
    gone = [rule for rule in chain.rules if not rule.ours or rule.ours == mark]
    if lines:
        journal = claim_more(journal, RULES + chain.key, lines, owners)
    if (lines or closed) and chain.nft and chain.tool == NFT:
        definition = json.dumps(chain.nft.definition())
        key = CHAIN + chain.key
        if key not in journal.claims:
            journal = journal.put(key, Claim((definition,), (definition,), owners))
    key = POLICY + chain.key
    if chain.policy and (closed or key in journal.claims):
        for owner in owners:
            journal = claim(journal, key, owner, (chain.policy,), (chain.open_policy,))
    changes = [f"{place_of(chain.key)}: - {shortened(rule.text)}" for rule in gone]
    if closed:
        changes.append(f"{place_of(chain.key)}: policy {chain.policy} -> {chain.open_policy}")
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
    place = {"family": family, "table": table, "chain": name}
    return [*commands, *({"delete": {"rule": {**place, "handle": one}}} for one in handles)]


def place_of(key: str) -> str:
    """Return a chain's key as a person reads it."""
    tool, table, name = key.split("|", 2)
    return f"{tool} {table} {name}"


def shortened(line: str) -> str:
    """Return a rule as a list of changes shows it."""
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
