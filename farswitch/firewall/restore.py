"""What `reset` restores at the teardown of the last cluster; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from farswitch.firewall import nft
from farswitch.firewall.iptables import KERNEL_CHAINS, Given
from farswitch.firewall.reset import CHAIN, HELD, POLICY, RULES, place_of, shortened
from farswitch.firewall.ruleset import NFT, Chain, Ruleset
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
    touched: tuple[str, ...] = ()
    """The keys of the chains that get something."""


def plan_restore(have: Ruleset, book: Journal, cluster: str) -> Restore:
    """Return what restores all that no other cluster needs gone.

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
            lines = beyond(released.saved, (rule.text for rule in chain.foreign) if chain else ())
            given[name] = Given(lines, user=_user(name, chain), missing=chain is None)
            changes = (*plan.changes, *(f"{place_of(name)}: + {shortened(line)}" for line in lines))
            plan = replace(plan, changes=changes)
    for key in book.keys(POLICY, cluster):
        plan = _restore_policy(plan, given, have, key, cluster)
    definitions = {
        key.removeprefix(CHAIN): json.loads(book.claims[key].saved[0])
        for key in book.keys(CHAIN, cluster)
    }
    for key in (*book.keys(CHAIN, cluster), HELD):
        plan = replace(plan, journal=release(plan.journal, key, cluster, ()).journal)
    tools, commands = _group(given, have, definitions)
    touched = tuple(key for key, one in given.items() if one.rules or one.policy)
    return replace(plan, tools=tools, commands=commands, touched=touched)


def _restore_policy(
    plan: Restore, given: dict[str, Given], have: Ruleset, key: str, cluster: str
) -> Restore:
    name = key.removeprefix(POLICY)
    chain = have.chain(name)
    ours = plan.journal.claims[key].ours
    now = (chain.policy,) if chain and chain.policy else ours
    released = release(plan.journal, key, cluster, now)
    plan = replace(plan, journal=released.journal)
    if released.outcome == "foreign":
        note = f"{place_of(name)}: policy {now[0]} stays: somebody else set it after farswitch."
        return replace(plan, notes=(*plan.notes, note))
    if released.outcome != "restore":
        return plan
    old = released.saved[0]
    there = given.get(name, Given(user=_user(name, chain), missing=chain is None))
    given[name] = replace(there, policy=old)
    return replace(plan, changes=(*plan.changes, f"{place_of(name)}: policy {now[0]} -> {old}"))


def _group(
    given: dict[str, Given], have: Ruleset, definitions: dict[str, nft.Json]
) -> tuple[RestoredChains, tuple[nft.Json, ...]]:
    tools: RestoredChains = {}
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


def _user(key: str, chain: Chain | None) -> bool:
    """Tell whether a chain is the user's, also when it is gone."""
    if chain is not None:
        return chain.user
    return key.rpartition("|")[2] not in KERNEL_CHAINS
