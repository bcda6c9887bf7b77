"""What `reset` takes away and what it gives back; pure.

The journal has a claim for each chain's rules and for each policy, all with one set of owners.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace

from tasks import nft
from tasks.journal import Claim, Journal, claim, claim_more, release
from tasks.ruleset import NFT, Chain, Ruleset
from tasks.xtables import KERNEL_CHAINS, Emptied, Given

PREFIX = "firewall:"
SHOWN = 160
"""Characters of a rule in a list of changes."""
HELD = "firewall:reset"
"""A claim of nothing: it says which clusters need the reset, also where nothing was taken."""
RULES, POLICY, CHAIN = (f"{PREFIX}{what}|" for what in ("rules", "policy", "chain"))

Flush = dict[str, dict[str, list[Emptied]]]
"""By legacy tool and table: the chains to empty."""
GiveBack = dict[str, dict[str, dict[str, Given]]]
"""By tool and table: what each chain gets."""


@dataclass(frozen=True, slots=True)
class Reset:
    """What is taken away: the journal to store first, one nft transaction, the legacy tools."""

    journal: Journal
    commands: tuple[nft.Json, ...] = ()
    legacy: Flush = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    emptied: tuple[Chain, ...] = ()
    """The chains whose rules go: they must be such that their tool can take them back."""


@dataclass(frozen=True, slots=True)
class Restore:
    """What is given back, and the journal to store afterwards."""

    journal: Journal
    commands: tuple[nft.Json, ...] = ()
    tools: GiveBack = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan_reset(have: Ruleset, book: Journal, cluster: str, mark: str) -> Reset:
    """Return what leaves no rule and no closed policy but the guards and other clusters' own.

    Args:
        have: The rules of the server.
        book: Its journal.
        cluster: The cluster that needs the reset.
        mark: Its mark: rules with it are of its `narrow` mode and go without a record.
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


def plan_restore(have: Ruleset, book: Journal, cluster: str) -> Restore:
    """Return what gives back all that no other cluster needs gone.

    Rules go in front of what the chain holds now. A rule that came back by itself stays once.
    """
    plan = Restore(book)
    given: dict[str, Given] = {}
    for key in book.keys(RULES, cluster):
        name = key.removeprefix(RULES)
        released = release(plan.journal, key, cluster, ())
        plan = replace(plan, journal=released.journal)
        if released.outcome != "shared":
            chain = have.chain(name)
            lines = _missing(released.saved, chain)
            given[name] = Given(lines, user=_user(name, chain), missing=chain is None)
            changes = (*plan.changes, *(f"{_place(name)}: + {_short(line)}" for line in lines))
            plan = replace(plan, changes=changes)
    for key in book.keys(POLICY, cluster):
        plan = _give_policy(plan, given, have, key, cluster)
    definitions = {
        key.removeprefix(CHAIN): json.loads(book.claims[key].saved[0])
        for key in book.keys(CHAIN, cluster)
    }
    for key in (*book.keys(CHAIN, cluster), HELD):
        plan = replace(plan, journal=release(plan.journal, key, cluster, ()).journal)
    tools, commands = _group(given, have, definitions)
    return replace(plan, tools=tools, commands=commands)


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
    changes = [f"{_place(chain.key)}: - {_short(rule.text)}" for rule in gone]
    if closed:
        changes.append(f"{_place(chain.key)}: policy {chain.policy} -> {chain.open_policy}")
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


def _give_policy(
    plan: Restore, given: dict[str, Given], have: Ruleset, key: str, cluster: str
) -> Restore:
    name = key.removeprefix(POLICY)
    chain = have.chain(name)
    ours = plan.journal.claims[key].ours
    now = (chain.policy,) if chain and chain.policy else ours
    released = release(plan.journal, key, cluster, now)
    plan = replace(plan, journal=released.journal)
    if released.outcome == "foreign":
        note = f"{_place(name)}: policy {now[0]} stays: somebody else set it after farswitch."
        return replace(plan, notes=(*plan.notes, note))
    if released.outcome != "restore":
        return plan
    old = released.saved[0]
    there = given.get(name, Given(user=_user(name, chain), missing=chain is None))
    given[name] = replace(there, policy=old)
    return replace(plan, changes=(*plan.changes, f"{_place(name)}: policy {now[0]} -> {old}"))


def _group(
    given: dict[str, Given], have: Ruleset, definitions: dict[str, nft.Json]
) -> tuple[GiveBack, tuple[nft.Json, ...]]:
    tools: GiveBack = {}
    chains: list[nft.Json] = []
    rules: list[nft.Json] = []
    for key, one in given.items():
        tool, table, name = key.split("|", 2)
        if not (one.rules or one.policy):
            continue
        if tool != NFT:
            # A chain of the kernel's is made by the tool itself.
            missing = one.missing and one.user
            tools.setdefault(tool, {}).setdefault(table, {})[name] = replace(one, missing=missing)
            continue
        definition = definitions[key]
        if one.missing:
            family = definition["family"]
            chains.append({"add": {"table": {"family": family, "name": definition["table"]}}})
        if one.missing or one.policy:
            chain = have.chain(key)
            policy = one.policy or (chain.policy if chain else None)
            opened = {"policy": policy} if "hook" in definition and policy else {}
            chains.append({"add": {"chain": {**definition, **opened}}})
        rules += insertions(definition, one.rules)
    return tools, (*chains, *rules)


def insertions(definition: nft.Json, lines: tuple[str, ...]) -> list[nft.Json]:
    """Return the commands that put nft rules in front of a chain, in their order."""
    place = {
        "family": definition["family"],
        "table": definition["table"],
        "chain": definition["name"],
    }
    return [{"insert": {"rule": {**place, **json.loads(line)}}} for line in reversed(lines)]


def _missing(saved: tuple[str, ...], chain: Chain | None) -> tuple[str, ...]:
    present = Counter(rule.text for rule in chain.foreign) if chain else Counter()
    lines: list[str] = []
    for line in saved:
        present[line] -= 1
        if present[line] < 0:
            lines.append(line)
    return tuple(lines)


def _user(key: str, chain: Chain | None) -> bool:
    """Tell whether a chain is the user's, also when it is gone."""
    if chain is not None:
        return chain.user
    return key.rpartition("|")[2] not in KERNEL_CHAINS


def _place(key: str) -> str:
    tool, table, name = key.split("|", 2)
    return f"{tool} {table} {name}"


def _short(line: str) -> str:
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
