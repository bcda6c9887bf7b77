"""Reads all firewall rules of a server: what every tool prints, in one round trip."""

from __future__ import annotations

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import iptables, nft
from farswitch.firewall.iptables import KERNEL_CHAINS
from farswitch.firewall.nft import MARK, NftChain
from farswitch.firewall.ruleset import NFT, Chain, Rule, Ruleset, rule_text
from farswitch.remote import script

ATTEMPTS = 3
GUARD = "farswitch_"
_TOOLS = (*iptables.KERNEL_FAMILY, *iptables.LEGACY)

_OBSERVE = script("firewall_rules")


class _Unsteady(Exception):  # noqa: N818 - never leaves this module
    """The rules changed while they were read."""


def observe(shell: Shell) -> Ruleset:
    """Read the rules of all tools in one round trip.

    Raises:
        FarswitchError: nft, or a legacy tool whose tables the kernel has, is missing; or the rules
            change all the time.
    """
    for _ in range(ATTEMPTS):
        done = shell.run(("sh", "-c", _OBSERVE))
        try:
            return parse(done.stdout, server=shell.host)
        except _Unsteady:
            continue
    raise FarswitchError(
        f"The firewall rules of server '{shell.host}' change while they are read.",
        hint="Stop what writes them and run this again.",
    )


def parse(text: str, *, server: str) -> Ruleset:
    """Return the ruleset that the observing script printed; pure."""
    parts: dict[str, str] = {}
    for part in ("\n" + text).split("\n=== ")[1:]:
        name, _, content = part.partition("\n")
        parts[name] = content
    if missing := parts.get("missing"):
        raise FarswitchError(
            f"Program '{missing}' is missing on server '{server}'.",
            hint=f"Install the package of {missing.partition('-')[0]}.",
        )
    first, again = nft.objects(parts[NFT]), nft.objects(parts["again"])
    if _handles(first) != _handles(again):
        raise _Unsteady
    guards = _guard_tables(first)
    listed = [one for one in first if nft.table_of(one) not in guards]
    saved = {tool: iptables.parse(parts[tool]) for tool in _TOOLS if tool in parts}
    chains = [_kernel_chain(chain, saved) for chain in nft.chains(listed)]
    for tool in iptables.LEGACY:
        chains += _legacy_chains(tool, saved.get(tool, {}))
    return Ruleset(tuple(chains), tuple(listed))


def _kernel_chain(chain: NftChain, saved: dict[str, dict[str, iptables.Saved]]) -> Chain:
    """Return a chain of nft's own, or one whose rules only an xtables tool can take back."""
    for tool, family in iptables.KERNEL_FAMILY.items():
        table = saved.get(tool, {}).get(chain.table)
        if chain.family == family and table is not None and chain.name in table.policies:
            return _xtables_chain(chain, tool, table)
    rules = tuple(Rule(rule_text(one), _mark(one.comment), one.handle) for one in chain.rules)
    place = f"{chain.family} {chain.table}"
    return Chain(NFT, place, chain.name, rules, chain.policy, chain.hook is None, chain)


def _xtables_chain(chain: NftChain, tool: str, table: iptables.Saved) -> Chain:
    texts = table.rules[chain.name]
    policy, user = chain.policy, chain.hook is None
    kernel = list(chain.rules)
    if user and tool.startswith("ebtables"):
        policy = table.policies[chain.name].lower()
        # The policy of a user's chain is a last rule that ebtables does not print.
        kernel = kernel[: len(texts)]
    if len(texts) != len(kernel):
        raise _Unsteady
    rules = tuple(
        Rule(text, _mark(iptables.comment(text) or rule.comment), rule.handle)
        for text, rule in zip(texts, kernel, strict=True)
    )
    return Chain(tool, chain.table, chain.name, rules, policy, user, chain)


def _legacy_chains(tool: str, tables: dict[str, iptables.Saved]) -> list[Chain]:
    found: list[Chain] = []
    for table, saved in tables.items():
        for name, policy in saved.policies.items():
            texts = saved.rules[name]
            rules = tuple(Rule(text, _mark(iptables.comment(text))) for text in texts)
            user = name not in KERNEL_CHAINS
            found.append(Chain(tool, table, name, rules, _policy(policy), user))
    return found


def _policy(text: str) -> str | None:
    return None if text == "-" else text.lower()


def _mark(comment: str) -> str:
    return comment if comment.startswith(MARK) else ""


def _guard_tables(listed: list[nft.Json]) -> frozenset[tuple[str, str]]:
    """Return family and name of the tables that are the guard of any cluster."""
    return frozenset(
        (rule["family"], rule["table"])
        for rule in (one["rule"] for one in listed if "rule" in one)
        if rule["table"].startswith(GUARD) and rule.get("comment", "").startswith(MARK)
    )


def _handles(listed: list[nft.Json]) -> list[tuple[object, ...]]:
    rules = (one["rule"] for one in listed if "rule" in one)
    return [(one["family"], one["table"], one["chain"], one["handle"]) for one in rules]
