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
_WORDS = """
accept add ah all and arp bridge cgroup chain comment comp constant continue counter cpu create ct
day dccp define delete describe device devices dnat drop dst dup dynamic ecn element elements eq
esp ether exists expires export exthdr fib flags flow flowtable flush frag fwd ge goto gt handle
hbh hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include index
inet insert interval ip ip6 ipsec jhash jump le limit list log lt map mark masquerade meta meter
mh missing monitor ne netdev nftrace not notrack numgen obriport obrname offload oif oifgroup
oifname oiftype or osf policy position priority queue quota random redefine redirect reject rename
replace reset return rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid snat socket srh
symhash synproxy table tcp th time timeout tproxy type typeof udp undefine vlan vmap xor xt
"""
RESERVED = frozenset(_WORDS.split())
"""Words of nft's own language: it takes no name that is one, but in JSON. Of nft 1.0.6."""
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
    device: str | list[str] | None = None
    policy: str | None = None

    @property
    def place(self) -> Place:
        return (self.family, self.table, self.name)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that it hangs on, none for a hook that has no device."""
        return (self.device,) if isinstance(self.device, str) else tuple(self.device or ())

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
    listed: list[Json] = json.loads(text)["nftables"]
    return [entry for entry in listed if "metainfo" not in entry]


def table_of(listed: Json) -> tuple[str, str]:
    """Return family and name of the table that a listed object is, or is in."""
    ((kind, content),) = listed.items()
    return content["family"], content["name" if kind == "table" else "table"]


def chains(listed: Sequence[Json]) -> tuple[NftChain, ...]:
    """Return the chains of a listing with their rules, in the listing's order."""
    rules: dict[Place, list[NftRule]] = {}
    for entry in _each(listed, "rule"):
        place = (entry["family"], entry["table"], entry["chain"])
        rule = NftRule(entry["handle"], tuple(entry["expr"]), entry.get("comment", ""))
        rules.setdefault(place, []).append(rule)
    return tuple(
        NftChain(
            chain["family"],
            chain["table"],
            chain["name"],
            tuple(rules.get((chain["family"], chain["table"], chain["name"]), ())),
            chain.get("type"),
            chain.get("hook"),
            chain.get("prio"),
            chain.get("dev"),
            chain.get("policy"),
        )
        for chain in _each(listed, "chain")
    )


def canonical(listed: Sequence[Json]) -> list[Json]:
    """Return a listing without handles and counts, and with sets in one order.

    The kernel numbers what it is given, and lists the elements of a set in any order.
    """
    return [_canonical(entry) for entry in listed]


def marked(listed: list[Json], mark: str) -> bool:
    """Tell whether a listed table holds a rule with exactly this comment."""
    return any(rule.get("comment") == mark for rule in _each(listed, "rule"))


def _each(listed: Sequence[Json], kind: str) -> Iterator[Json]:
    return (entry[kind] for entry in listed if kind in entry)


def _canonical(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _canonical(part) for key, part in value.items() if key not in _VOLATILE}
    for key in ("set", "elem"):
        if isinstance(kept.get(key), list):
            kept[key] = sorted(kept[key], key=lambda part: json.dumps(part, sort_keys=True))
    return kept
