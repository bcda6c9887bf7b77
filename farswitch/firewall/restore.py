"""What `reset` restores at the teardown of the last cluster; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from farswitch.firewall import nft
from farswitch.firewall.iptables import KERNEL_CHAINS, Given
from farswitch.firewall.reset import shortened
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
from farswitch.state.keys import ChainKey, DefinitionKey, Key, PolicyKey, ResetKey, RulesKey
from farswitch.state.saved_settings import Journal, beyond, release

RestoredChains = dict[str, dict[str, dict[str, Given]]]
"""By tool and table: what each chain gets."""


@dataclass(frozen=True, slots=True)
class Restore:
    """What is restored, and the journal to store afterwards."""

    journal: Journal
    commands: tuple[nft.Json, ...] = ()
    tools: RestoredChains = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    touched: tuple[ChainKey, ...] = ()
    """The chains that get something."""
    lost: tuple[str, ...] = ()
    """A sentence for each table that somebody owns by now, whose rules do not come back."""


def plan_restore(have: Ruleset, book: Journal, cluster: str) -> Restore:
    """Return what restores all that no other cluster needs gone.

    Rules go in front of what the chain holds now. A rule that came back by itself stays once.
    """
    book, lost = _without_owned(book, have, cluster)
    plan = Restore(book, lost=lost)
    given: dict[ChainKey, Given] = {}
    for key in book.keys(RulesKey, cluster):
        name = key.chain
        released = release(plan.journal, key, cluster, ())
        plan = replace(plan, journal=released.journal)
        if released.outcome != "shared":
            chain = have.chain(name)
            lines = beyond(released.saved, (rule.text for rule in chain.foreign) if chain else ())
            given[name] = Given(lines, user=_user(name, chain), missing=chain is None)
            changes = (*plan.changes, *(f"+ {name}: {shortened(line)}" for line in lines))
            plan = replace(plan, changes=changes)
    for policy in book.keys(PolicyKey, cluster):
        plan = _restore_policy(plan, given, have, policy, cluster)
    made = book.keys(DefinitionKey, cluster)
    definitions = {key.chain: json.loads(book.claims[key].saved[0]) for key in made}
    last: tuple[Key, ...] = (*made, ResetKey())
    for held in last:
        plan = replace(plan, journal=release(plan.journal, held, cluster, ()).journal)
    tools, commands = _group(given, have, definitions)
    touched = tuple(key for key, chain in given.items() if chain.rules or chain.policy)
    return replace(plan, tools=tools, commands=commands, touched=touched)


def _restore_policy(
    plan: Restore, given: dict[ChainKey, Given], have: Ruleset, key: PolicyKey, cluster: str
) -> Restore:
    name = key.chain
    chain = have.chain(name)
    ours = plan.journal.claims[key].ours
    now = (chain.policy,) if chain and chain.policy else ours
    released = release(plan.journal, key, cluster, now)
    plan = replace(plan, journal=released.journal)
    if released.outcome == "foreign":
        note = f"{name}: policy {now[0]} stays: somebody else set it after farswitch."
        return replace(plan, notes=(*plan.notes, note))
    if released.outcome != "restore":
        return plan
    old = released.saved[0]
    there = given.get(name, Given(user=_user(name, chain), missing=chain is None))
    given[name] = replace(there, policy=old)
    return replace(plan, changes=(*plan.changes, f"~ {name}: policy {now[0]} -> {old}"))


def _group(
    given: dict[ChainKey, Given], have: Ruleset, definitions: dict[ChainKey, nft.Json]
) -> tuple[RestoredChains, tuple[nft.Json, ...]]:
    tools: RestoredChains = {}
    chains: list[nft.Json] = []
    rules: list[nft.Json] = []
    for key, wanted in given.items():
        tool, table, name = key.tool, key.table, key.name
        if not (wanted.rules or wanted.policy):
            continue
        if tool != NFT:
            # A chain of the kernel's is made by the tool itself.
            missing = wanted.missing and wanted.user
            tables = tools.setdefault(tool, {})
            tables.setdefault(table, {})[name] = replace(wanted, missing=missing)
            continue
        definition = definitions[key]
        if wanted.missing:
            family = definition["family"]
            chains.append({"add": {"table": {"family": family, "name": definition["table"]}}})
        if wanted.missing or wanted.policy:
            chain = have.chain(key)
            policy = wanted.policy or (chain.policy if chain else None)
            opened = {"policy": policy} if "hook" in definition and policy else {}
            chains.append({"add": {"chain": {**definition, **opened}}})
        rules += insertions(definition, wanted.rules)
    return tools, (*chains, *rules)


def _without_owned(book: Journal, have: Ruleset, cluster: str) -> tuple[Journal, tuple[str, ...]]:
    """Forget what was taken from tables that somebody owns by now, who alone fills them."""
    lost: dict[str, str] = {}
    keys: tuple[RulesKey | PolicyKey | DefinitionKey, ...] = (
        *book.keys(RulesKey, cluster),
        *book.keys(PolicyKey, cluster),
        *book.keys(DefinitionKey, cluster),
    )
    for key in keys:
        family, _, name = key.chain.table.partition(" ")
        owner = have.owners.get((family, name))
        if key.chain.tool == NFT and owner:
            lost[key.chain.table] = owner
            book = release(book, key, cluster, ()).journal
    return book, tuple(
        f"The rules of table '{table}' do not come back: {owner} owns it by now, and alone can "
        "change it."
        for table, owner in lost.items()
    )


def insertions(definition: nft.Json, lines: tuple[str, ...]) -> list[nft.Json]:
    """Return the commands that put nft rules in front of a chain, in their order."""
    place = {
        "family": definition["family"],
        "table": definition["table"],
        "chain": definition["name"],
    }
    return [{"insert": {"rule": {**place, **json.loads(line)}}} for line in reversed(lines)]


def _user(key: ChainKey, chain: Chain | None) -> bool:
    """Tell whether a chain is the user's, also when it is gone."""
    if chain is not None:
        return chain.user
    return key.name not in KERNEL_CHAINS
