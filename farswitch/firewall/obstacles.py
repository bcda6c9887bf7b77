"""What of a server's firewall no mode can change, and what removes each; pure.

A table that a program owns can be changed by that program only, and filters of tc and XDP programs
cannot be put back as they were: they are left, and named where they matter.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Literal

from farswitch.errors import Obstacle
from farswitch.firewall import nft, packet_hooks
from farswitch.firewall.evaluate import RuleClash, find_clashes
from farswitch.firewall.narrow import can_open
from farswitch.firewall.ruleset import HOOKS, NFT, Chain, Ruleset
from farswitch.firewall.traffic import Flow

FirewallMode = Literal["reset", "narrow", "check"]
"""See docs/firewall.md."""
SHOWN = 3
"""Flows that are named for one rule."""
FIREWALLD = "firewalld"
_FILE = "/etc/firewalld/firewalld.conf"


def obstacles(
    have: Ruleset, mode: FirewallMode | None, flows: Sequence[Flow], server: str
) -> Iterator[Obstacle]:
    """Yield what a mode has to leave as it is, and must not."""
    if mode == "reset":
        yield from _owned(have, server)
    for clash, drops in find_clashes(have, flows) if mode else ():
        chain = clash.chain
        if _stays(chain, mode, drops):
            where = f" Its table is owned by {chain.owner}." if chain.owner else ""
            what = f"On '{server}', {clash} drops {shortened(drops)}.{where}"
            yield Obstacle(what, remedy(clash, mode, server))


def remedy(clash: RuleClash, mode: FirewallMode | None, server: str) -> str:
    """Return what to do about a rule or policy that a mode leaves."""
    chain = clash.chain
    if chain.owner:
        return _of_owner(chain.owner, server)
    line = f"On '{server}': {shlex.join(removal(clash))}"
    if chain.tool in HOOKS:
        return line
    if mode == "narrow":
        return f"{line}; or let it pass, or set firewall: reset in the site."
    return f"{line}; or let it pass, or set firewall: narrow (or reset) in the site."


def removal(clash: RuleClash) -> list[str]:
    """Return the program and arguments that take a rule or a closed policy away."""
    chain, rule = clash.chain, clash.rule
    if rule is not None and chain.tool in HOOKS:
        return packet_hooks.removal(rule)
    if chain.tool == NFT and chain.nft is not None:
        family, table, name = chain.nft.place
        if {table, name} & nft.RESERVED:
            place = {"family": family, "table": table, "chain": name}
            delete = {"delete": {"rule": {**place, "handle": rule and rule.handle}}}
            opened = {"add": {"chain": chain.nft.definition("accept")}}
            return ["nft", "-j", json.dumps({"nftables": [delete if rule else opened]})]
        if rule is not None:
            return ["nft", "delete", "rule", family, table, name, "handle", str(rule.handle)]
        return ["nft", f"chain {family} {table} {name} {{ policy accept; }}"]
    start = [chain.tool, "-t", chain.table]
    if clash.at is None:
        return [*start, "-P", chain.name, chain.open_policy.upper()]
    return [*start, "-D", chain.name, str(clash.at + 1)]


def shortened(drops: Sequence[Flow]) -> str:
    """Return what a rule drops, as far as it is worth a line."""
    more = f" and {len(drops) - SHOWN} more" if len(drops) > SHOWN else ""
    return ", ".join(map(str, drops[:SHOWN])) + more


def _stays(chain: Chain, mode: FirewallMode | None, drops: Sequence[Flow]) -> bool:
    if mode == "narrow":
        return not all(can_open(chain, flow) for flow in drops)
    return mode == "check" or chain.tool in HOOKS


def _owned(have: Ruleset, server: str) -> Iterator[Obstacle]:
    """Yield each table that `reset` would have to empty, and whose owner alone can."""
    for (family, table), owner in have.owners.items():
        place = f"{family} {table}"
        chains = [
            chain
            for chain in have.chains
            if (chain.tool, chain.table) == (NFT, place) and not chain.dormant
        ]
        rules = sum(len(chain.foreign) for chain in chains)
        closed = sum(chain.closed for chain in chains)
        if rules or closed:
            yield Obstacle(
                f"Table '{place}' on '{server}' is owned by {owner}, who alone can change it: "
                f"firewall: reset cannot take its {rules} rules and {closed} closed policies.",
                _of_owner(owner, server),
            )


def _of_owner(owner: str, server: str) -> str:
    if f"'{FIREWALLD}'" in owner:
        return (
            f"Let others change it, on '{server}': sed -i /^NftablesTableOwner=/d {_FILE}; "
            f"echo NftablesTableOwner=no >>{_FILE}; systemctl restart firewalld"
        )
    return (
        f"Stop {owner} on '{server}' for as long as the cluster stands, or have it make its table "
        "without 'flags owner'; or, where its rules let the cluster through, set firewall: narrow "
        "in the site."
    )
