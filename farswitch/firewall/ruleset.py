"""All firewall rules of a server, of every tool, as one list of chains."""

from __future__ import annotations

import json
from dataclasses import dataclass

from farswitch.firewall import nft
from farswitch.firewall.nft import NftChain

NFT = "nft"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a text that its tool takes back, and what nft needs to delete it."""

    text: str
    ours: str = ""
    handle: int | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain.

    Attributes:
        tool: Who takes the rules' texts back: `nft`, `iptables-nft`, `ebtables-legacy` ...
        table: For nft with its family: `inet mine`.
        policy: In lower letters; None where there is none.
        user: It is not called by the kernel, but by rules that jump.
        nft: What nft knows of it; None for the legacy tools.
    """

    tool: str
    table: str
    name: str
    rules: tuple[Rule, ...]
    policy: str | None
    user: bool
    nft: NftChain | None = None

    @property
    def key(self) -> str:
        return f"{self.tool}|{self.table}|{self.name}"

    @property
    def foreign(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if not rule.ours)

    @property
    def open_policy(self) -> str:
        """The policy that lets pass: a user's chain of ebtables may also drop by policy."""
        return "return" if self.user else "accept"

    def __str__(self) -> str:
        return f"chain '{self.name}' of table '{self.table}' ({self.tool})"


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The chains of a server but for the guards; `listed` is nft's own listing of them."""

    chains: tuple[Chain, ...]
    listed: tuple[nft.Json, ...] = ()

    def chain(self, key: str) -> Chain | None:
        """Return the chain of a key."""
        return next((chain for chain in self.chains if chain.key == key), None)


def rule_text(rule: nft.NftRule) -> str:
    """Return a rule of nft's own as the journal keeps it, its counts at zero."""
    kept: nft.Json = {"expr": _at_zero(list(rule.expr))}
    if rule.comment:
        kept["comment"] = rule.comment
    return json.dumps(kept)


def _at_zero(value: object) -> object:
    if isinstance(value, list):
        return [_at_zero(one) for one in value]
    if isinstance(value, dict):
        return {
            key: 0 if key in {"packets", "bytes"} and isinstance(one, int) else _at_zero(one)
            for key, one in value.items()
        }
    return value
