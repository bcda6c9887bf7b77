"""Reads all firewall rules of a server: what every tool prints, in one round trip."""

from __future__ import annotations

import json
from dataclasses import replace

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import iptables, nft, packet_hooks, tables
from farswitch.firewall.iptables import KERNEL_CHAINS
from farswitch.firewall.nft import MARK, NftChain
from farswitch.firewall.ruleset import NFT, Chain, Rule, Ruleset, rule_text
from farswitch.remote import command

ATTEMPTS = 5
GUARD = "farswitch_"


class _Unsteady(Exception):  # noqa: N818 - never leaves this module
    """The rules changed while they were read."""


def observe(shell: Shell) -> Ruleset:
    """Read the rules of all tools in one round trip.

    Raises:
        FarswitchError: nft, or a legacy tool whose tables the kernel has, is missing; or the rules
            change all the time.
    """
    for _ in range(ATTEMPTS):
        done = shell.run(command("firewall_rules"))
        try:
            return parse(done.stdout, server=shell.host)
        except _Unsteady:
            continue
    raise FarswitchError(
        f"The firewall rules of server '{shell.host}' change while they are read.",
        hint="Stop what writes them and run this again.",
    )


def parse(text: str, *, server: str) -> Ruleset:
    """Return the ruleset that `firewall_rules.py` printed; pure."""
    printed: nft.Json = json.loads(text)
    if missing := printed.get("missing"):
        raise FarswitchError(
            f"Program '{missing}' is missing on server '{server}'.",
            hint=f"Install the package of {missing.partition('-')[0]}.",
        )
    if not printed["steady"]:
        raise _Unsteady
    entries: list[nft.Json] = printed["rules"]
    guards = _guard_tables(entries)
    kernel = tables.parse(printed["tables"], printed["chains"])
    listed = [kernel.complete(entry) for entry in entries if nft.table_of(entry) not in guards]
    saved = {tool: iptables.parse(lines) for tool, lines in printed["saved"].items()}
    shown = tables.rule_texts(printed["text"])
    chains = [
        replace(
            _kernel_chain(chain, saved, shown),
            owner=kernel.owners.get(chain.place[:2], ""),
            dormant=chain.place[:2] in kernel.dormant,
        )
        for chain in nft.chains(listed)
    ]
    for tool in iptables.LEGACY:
        chains += _legacy_chains(tool, saved.get(tool, {}))
    chains += packet_hooks.filters(printed["filters"])
    chains += packet_hooks.programs(printed["links"])
    chains += packet_hooks.tcx_programs(printed["tcx"])
    return Ruleset(tuple(chains), tuple(listed), kernel.owners)


def _kernel_chain(
    chain: NftChain,
    saved: dict[str, dict[str, iptables.Saved]],
    shown: dict[tuple[nft.Place, int], str],
) -> Chain:
    """Return a chain of nft's own, or one whose rules only an xtables tool can take back."""
    for tool, family in iptables.KERNEL_FAMILY.items():
        table = saved.get(tool, {}).get(chain.table)
        if chain.family != family or table is None or chain.name not in table.policies:
            continue
        if known := _xtables_chain(chain, tool, table):
            return known
    rules = tuple(
        Rule(
            rule_text(rule),
            _mark(rule.comment),
            rule.handle,
            shown.get((chain.place, rule.handle), ""),
        )
        for rule in chain.rules
    )
    place = f"{chain.family} {chain.table}"
    return Chain(NFT, place, chain.name, rules, chain.policy, chain.hook is None, chain)


def _xtables_chain(chain: NftChain, tool: str, table: iptables.Saved) -> Chain | None:
    """Return a chain as its tool prints it; None where it cannot read rules that nft made there."""
    texts = table.rules[chain.name]
    policy, user = chain.policy, chain.hook is None
    kernel = list(chain.rules)
    if user and tool.startswith("ebtables"):
        policy = table.policies[chain.name].lower()
        # The policy of a user's chain is a last rule that ebtables does not print.
        kernel = kernel[: len(texts)]
    if len(texts) != len(kernel):
        return None
    rules = tuple(
        Rule(
            text,
            _mark(iptables.comment(text) or rule.comment),
            rule.handle,
            f"-A {chain.name} {text}",
        )
        for text, rule in zip(texts, kernel, strict=True)
    )
    return Chain(tool, chain.table, chain.name, rules, policy, user, chain)


def _legacy_chains(tool: str, by_table: dict[str, iptables.Saved]) -> list[Chain]:
    chains: list[Chain] = []
    for table, saved in by_table.items():
        for name, policy in saved.policies.items():
            texts = saved.rules[name]
            rules = tuple(
                Rule(text, _mark(iptables.comment(text)), shown=f"-A {name} {text}")
                for text in texts
            )
            user = name not in KERNEL_CHAINS
            chains.append(Chain(tool, table, name, rules, _policy(policy), user))
    return chains


def _policy(text: str) -> str | None:
    return None if text == "-" else text.lower()


def _mark(comment: str) -> str:
    return comment if comment.startswith(MARK) else ""


def _guard_tables(listed: list[nft.Json]) -> frozenset[tuple[str, str]]:
    """Return family and name of the tables that are the guard of any cluster."""
    return frozenset(
        (rule["family"], rule["table"])
        for rule in (entry["rule"] for entry in listed if "rule" in entry)
        if rule["table"].startswith(GUARD) and rule.get("comment", "").startswith(MARK)
    )
