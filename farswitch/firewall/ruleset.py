"""All firewall rules of a server, of every tool, as one list of chains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from farswitch.firewall import nft
from farswitch.firewall.nft import NftChain
from farswitch.state.keys import ChainKey

NFT = "nft"
TC, TCX, XDP = "tc", "tcx", "xdp"
HOOKS = frozenset({TC, TCX, XDP})
"""The tools of what hangs on devices beside nft."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a text that its tool takes back, and what nft needs to delete it.

    Attributes:
        ours: Our mark that it bears.
        shown: As its own tool lists it, for people.
    """

    text: str
    ours: str = ""
    handle: int | None = None
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain.

    Attributes:
        tool: Who takes the rules' texts back: `nft`, `iptables-nft`, `ebtables-legacy` ...
        table: For nft with its family: `inet mine`.
        policy: In lower letters; None where there is none.
        user: It is not called by the kernel, but by rules that jump.
        nft: What nft knows of it; None for the other tools.
        owner: The process that alone may change its table, as people read it.
        dormant: Its table is off (flag `dormant`): the kernel does not call it.
    """

    tool: str
    table: str
    name: str
    rules: tuple[Rule, ...]
    policy: str | None
    user: bool
    nft: NftChain | None = None
    owner: str = ""
    dormant: bool = False

    @property
    def key(self) -> ChainKey:
        return ChainKey(self.tool, self.table, self.name)

    @property
    def foreign(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if not rule.ours)

    @property
    def open_policy(self) -> str:
        """The policy that lets pass: a user's chain of ebtables may also drop by policy."""
        return "return" if self.user else "accept"

    @property
    def changeable(self) -> bool:
        """Whether anybody but its owner can change it, and put it back as it was."""
        return not self.owner and self.tool not in HOOKS

    @property
    def closed(self) -> bool:
        """Whether it drops what no rule of its own accepts."""
        return self.policy not in {None, self.open_policy}

    def __str__(self) -> str:
        if self.tool in HOOKS:
            return f"{self.name} of device '{self.table}' ({self.tool})"
        return f"chain '{self.name}' of table '{self.table}' ({self.tool})"


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The chains of a server but for the guards.

    Attributes:
        listed: nft's own listing of them.
        owners: By family and name of a table, the process that alone may change it.
    """

    chains: tuple[Chain, ...]
    listed: tuple[nft.Json, ...] = ()
    owners: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def chain(self, key: ChainKey) -> Chain | None:
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
        return [_at_zero(part) for part in value]
    if isinstance(value, dict):
        return {
            key: 0 if key in {"packets", "bytes"} and isinstance(part, int) else _at_zero(part)
            for key, part in value.items()
        }
    return value
