"""Puts rules back in a scratch network namespace before they are taken away.

What a tool prints of a rule is not always the rule: nft prints `xt match recent` for a match of
iptables, and iptables-nft-save (1.8.9) leaves a native set out and prints a rule that accepts
everything. So what stands in the scratch namespace afterwards is compared with the original.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import iptables, nft
from farswitch.firewall.iptables import KERNEL_FAMILY, Given
from farswitch.firewall.restore import insertions
from farswitch.firewall.ruleset import NFT, Chain, Ruleset, rule_text

_SCRATCH = """exec unshare --net sh -c '"$@" || exit; nft -j list ruleset' scratch "$@" """


class RestoreError(FarswitchError):
    """Rules that are in the way could not be restored as they are; nothing was touched."""

    def __init__(self, server: str, chain: Chain, reason: str) -> None:
        super().__init__(
            f"The rules of {chain} on server '{server}' could not be restored as they are: "
            f"{reason}.",
            hint="Nothing was touched. Remove them yourself, or set firewall: narrow in the site.",
        )
        self.server = server
        self.chain = chain


def rehearse(shell: Shell, have: Ruleset, emptied: Sequence[Chain]) -> None:
    """Make sure that the rules of these chains can be restored.

    The legacy tools print all that they know: their rules are not rehearsed.

    Raises:
        RestoreError: They would come back in another form, or not at all.
    """
    if native := [chain for chain in emptied if chain.tool == NFT]:
        _rehearse_nft(shell, have, native)
    for tool in KERNEL_FAMILY:
        if chains := [chain for chain in emptied if chain.tool == tool]:
            _rehearse_xtables(shell, have, tool, chains)


def _rehearse_nft(shell: Shell, have: Ruleset, chains: Sequence[Chain]) -> None:
    tables = {chain.nft.place[:2] for chain in chains if chain.nft}
    commands = [
        _bare(one) for one in have.listed if "rule" not in one and nft.table_of(one) in tables
    ]
    for chain in chains:
        if chain.nft:
            lines = tuple(rule.text for rule in chain.foreign)
            commands += insertions(chain.nft.definition(), lines)
    document = json.dumps({"nftables": commands})
    found, said = _load(shell, ("nft", "-j", "-f", "-"), document)
    if found is None:
        raise RestoreError(shell.host, chains[0], said)
    _compare(shell, found, chains)


def _rehearse_xtables(shell: Shell, have: Ruleset, tool: str, chains: Sequence[Chain]) -> None:
    tables: dict[str, dict[str, Given]] = {}
    for chain in have.chains:
        if chain.tool == tool:
            lines = tuple(rule.text for rule in chain.foreign)
            given = Given(lines, user=chain.user, missing=chain.user)
            tables.setdefault(chain.table, {})[chain.name] = given
    found, _ = _load(shell, (f"{tool}-restore", "--noflush"), iptables.restore_text(tool, tables))
    if found is not None:
        _compare(shell, found, chains)
        return
    # It names what a scratch namespace has not, such as an ipset. Then what iptables is known to
    # leave out must not be there.
    for chain in chains:
        if chain.nft and any(_has_set(list(rule.expr)) for rule in chain.nft.rules):
            raise RestoreError(shell.host, chain, f"{tool} does not print their sets")


def _load(
    shell: Shell, argv: tuple[str, ...], text: str
) -> tuple[dict[nft.Place, nft.NftChain] | None, str]:
    done = shell.run(("sh", "-c", _SCRATCH, "rehearse", *argv), stdin=text, check=False)
    if done.status != 0:
        return None, done.stderr.strip()
    return {one.place: one for one in nft.chains(nft.objects(done.stdout))}, ""


def _compare(shell: Shell, found: dict[nft.Place, nft.NftChain], chains: Sequence[Chain]) -> None:
    for chain in chains:
        if chain.nft is None:
            continue
        handles = {rule.handle for rule in chain.foreign}
        wanted = [rule_text(rule) for rule in chain.nft.rules if rule.handle in handles]
        there = found.get(chain.nft.place)
        if there is None or [rule_text(one) for one in there.rules[: len(wanted)]] != wanted:
            raise RestoreError(shell.host, chain, "they would come back in another form")


def _bare(one: nft.Json) -> nft.Json:
    """Return the command that makes an object without what hangs on devices and contents."""
    ((kind, content),) = one.items()
    dropped = {"handle", "elem", "dev", "type", "hook", "prio", "policy"}
    if kind in {"set", "map"}:
        dropped -= {"type", "policy"}
    return {"add": {kind: {key: value for key, value in content.items() if key not in dropped}}}


def _has_set(value: object) -> bool:
    if isinstance(value, dict):
        return "set" in value or "vmap" in value or any(map(_has_set, value.values()))
    if isinstance(value, list):
        return any(map(_has_set, value))
    return isinstance(value, str) and value.startswith("@")
