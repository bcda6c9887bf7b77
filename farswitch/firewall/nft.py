"""What `nft -j` prints, as values that can be compared: chains, rules, and a canonical form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Place = tuple[str, str, str]
"""Of a chain: its family, its table, and its name."""
MARK = "farswitch:"
"""What the comment of every rule of ours starts with."""
_VOLATILE = frozenset({"handle", "packets", "bytes"})


@dataclass(frozen=True, slots=True)
class NftRule:
    """One rule: `expr` as nft prints it, counters and all."""

    handle: int
    expr: tuple[Json, ...]
    comment: str = ""

    @property
    def ours(self) -> bool:
        return self.comment.startswith(MARK)


@dataclass(frozen=True, slots=True)
class NftChain:
    """One chain of a table; `hook` and what follows are None unless the kernel calls it."""

    family: str
    table: str
    name: str
    rules: tuple[NftRule, ...] = ()
    kind: str | None = None
    hook: str | None = None
    priority: int | None = None
    device: Any = None
    policy: str | None = None

    @property
    def place(self) -> Place:
        return (self.family, self.table, self.name)

    def definition(self, policy: str | None = None) -> Json:
        """Return the object that makes the chain, or sets its policy."""
        wanted: Json = {"family": self.family, "table": self.table, "name": self.name}
        if self.hook is not None:
            wanted |= {"type": self.kind, "hook": self.hook, "prio": self.priority}
            wanted |= {"policy": policy or self.policy}
            wanted |= {"dev": self.device} if self.device else {}
        return wanted


def objects(text: str) -> list[Json]:
    """Return the objects of one `nft -j list` document, without its version."""
    if not text.strip():
        return []
    found: list[Json] = json.loads(text)["nftables"]
    return [one for one in found if "metainfo" not in one]


def table_of(listed: Json) -> tuple[str, str]:
    """Return family and name of the table that a listed object is, or is in."""
    ((kind, content),) = listed.items()
    return content["family"], content["name" if kind == "table" else "table"]


def chains(listed: Sequence[Json]) -> tuple[NftChain, ...]:
    """Return the chains of a listing with their rules, in the listing's order."""
    rules: dict[Place, list[NftRule]] = {}
    for one in _each(listed, "rule"):
        place = (one["family"], one["table"], one["chain"])
        rule = NftRule(one["handle"], tuple(one["expr"]), one.get("comment", ""))
        rules.setdefault(place, []).append(rule)
    return tuple(
        NftChain(
            one["family"],
            one["table"],
            one["name"],
            tuple(rules.get((one["family"], one["table"], one["name"]), ())),
            one.get("type"),
            one.get("hook"),
            one.get("prio"),
            one.get("dev"),
            one.get("policy"),
        )
        for one in _each(listed, "chain")
    )


def canonical(listed: Sequence[Json]) -> list[Json]:
    """Return a listing without handles and counts, and with sets in one order.

    The kernel numbers what it is given, and lists the elements of a set in any order.
    """
    return [_canonical(one) for one in listed]


def marked(listed: list[Json], mark: str) -> bool:
    """Tell whether a listed table holds a rule with exactly this comment."""
    return any(one.get("comment") == mark for one in _each(listed, "rule"))


def _each(listed: Sequence[Json], kind: str) -> Iterator[Json]:
    return (one[kind] for one in listed if kind in one)


def _canonical(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _canonical(one) for key, one in value.items() if key not in _VOLATILE}
    for key in ("set", "elem"):
        if isinstance(kept.get(key), list):
            kept[key] = sorted(kept[key], key=lambda one: json.dumps(one, sort_keys=True))
    return kept
