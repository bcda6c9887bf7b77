"""Compares one rule with a flow, in three values.

A rule matches, it does not, or that cannot be known: the content of a set, a match that nft does
not print.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from farswitch.firewall.nft import Json
from farswitch.firewall.traffic import Flow

Answer = Literal["yes", "no", "maybe"]
_HARMLESS = frozenset(
    {"LOG", "NFLOG", "MARK", "CONNMARK", "CT", "CHECKSUM", "TCPMSS", "TOS", "DSCP", "TRACE", "TTL"}
)
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "ipv6-icmp": "icmpv6"}
_FLAGS = {
    "-i": "iifname", "-o": "oifname", "-s": "saddr", "-d": "daddr", "-p": "l4proto",
    "--dport": "dport", "--ctstate": "state", "--state": "state", "--icmp-type": "icmp type",
    "--icmpv6-type": "icmp type",
}  # fmt: skip
_ICMP = {
    "--icmp-type": {"8": "echo-request", "0": "echo-reply"},
    "--icmpv6-type": {"135": "nd-neighbor-solicit", "136": "nd-neighbor-advert"},
}
_LAYER_3 = frozenset({"ip", "ip6", "arp"})
_TEXTS = frozenset({"--comment", "--log-prefix", "--nflog-prefix"})
"""Options whose text may look like an option."""
_IGNORED = frozenset({"-m", "--comment"})


def of_text(text: str) -> Iterable[Json]:
    """Yield a rule of iptables in our own words: `field`, `unknown` or a verdict."""
    words = shlex.split(text)
    negated = False
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        if word in {"-j", "-g"}:
            yield _target(words.pop(0), "jump" if word == "-j" else "goto")
            continue
        takes = word in _TEXTS or (words[:1] and not words[0].startswith("-"))
        value = words.pop(0) if words and takes else ""
        if word in _FLAGS:
            value = _ICMP.get(word, {}).get(value, value)
            yield {"field": {"name": _FLAGS[word], "value": value, "negated": negated}}
        elif word.startswith("-") and word not in _IGNORED:
            yield {"unknown": word}
        negated = False


def _target(name: str, how: str) -> Json:
    known = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
    if name in known:
        return {known[name]: None}
    return {"log": None} if name in _HARMLESS else {how: {"target": name}}


def verdict_of(expr: tuple[Json, ...]) -> tuple[str, str]:
    """Return what a rule does with what it matches, and where it jumps to."""
    for one in expr:
        ((kind, content),) = one.items()
        if kind in {"accept", "return", "drop"}:
            return kind, ""
        if kind in {"reject", "tarpit"}:
            return "drop", ""
        if kind in {"jump", "goto"}:
            return kind, content["target"]
        if kind in {"vmap", "queue"}:
            return "unknown", ""
        if kind == "xt" and content["type"] == "target" and content["name"] not in _HARMLESS:
            return "unknown", ""
    return "continue", ""


def matches(one: Json, flow: Flow) -> Answer:
    """Tell whether one expression of a rule lets a flow's packets go on to the next."""
    ((kind, content),) = one.items()
    if kind == "field":
        answer = _compare(flow.facts.get(content["name"]), content["value"])
        return _invert(answer) if content["negated"] else answer
    if kind == "match":
        return _match(content, flow)
    if kind == "xt" and content["type"] == "match":
        return "yes" if content["name"] == "comment" else "maybe"
    return "maybe" if kind in {"unknown", "limit", "meter", "set", "connlimit", "quota"} else "yes"


def _match(content: Json, flow: Flow) -> Answer:
    """Compare a field; packets of another protocol do not have it, whatever it is compared with."""
    name, protocol = _field(content["left"])
    if protocol in {"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite"}:
        known = flow.facts.get("l4proto")
        if known is None or known != protocol:
            return "maybe" if known is None else "no"
    if protocol in _LAYER_3 and flow.facts.get("protocol", protocol) != protocol:
        return "no"
    if content["op"] not in {"==", "!=", "in"}:
        return "maybe"
    answer = _compare(flow.facts.get(name), content["right"])
    return _invert(answer) if content["op"] == "!=" else answer


def _field(left: Json) -> tuple[str, str]:
    if "meta" in left:
        key = {"iif": "iifname", "oif": "oifname"}.get(left["meta"]["key"], left["meta"]["key"])
        return key, ""
    if "ct" in left:
        return left["ct"].get("key", ""), ""
    payload = left.get("payload", {})
    field, protocol = payload.get("field", ""), payload.get("protocol", "")
    if protocol in {"icmp", "icmpv6"} and field == "type":
        return "icmp type", protocol
    if (protocol, field) == ("ether", "type"):
        return "protocol", protocol
    return {"protocol": "l4proto", "nexthdr": "l4proto"}.get(field, field), protocol


def _compare(fact: str | None, wanted: Any) -> Answer:
    if fact is None:
        return "maybe"
    if isinstance(wanted, list):
        return _any(_compare(fact, one) for one in wanted)
    if isinstance(wanted, dict):
        return _compare_set(fact, wanted)
    text = _NUMBERS.get(str(wanted), str(wanted))
    if "," in text:
        return _any(_compare(fact, one) for one in text.split(","))
    return "maybe" if text.startswith("@") else _compare_text(fact, text)


def _compare_text(fact: str, text: str) -> Answer:
    if ":" in text and fact.isdigit():
        low, _, high = text.partition(":")
        return "yes" if int(low or 0) <= int(fact) <= int(high or 65535) else "no"
    if "/" in text:
        return _within(fact, text)
    if text.endswith(("*", "+")):
        return "yes" if fact.startswith(text[:-1]) else "no"
    return "yes" if text.lower() == fact.lower() else "no"


def _compare_set(fact: str, wanted: Json) -> Answer:
    if "set" in wanted:
        elements = wanted["set"]
        return (
            _any(_compare(fact, one) for one in elements) if isinstance(elements, list) else "maybe"
        )
    if "prefix" in wanted:
        return _within(fact, f"{wanted['prefix']['addr']}/{wanted['prefix']['len']}")
    if "range" in wanted and fact.isdigit():
        low, high = wanted["range"]
        return "yes" if int(low) <= int(fact) <= int(high) else "no"
    return "maybe"


def _within(fact: str, network: str) -> Answer:
    try:
        return "yes" if ip_address(fact) in ip_network(network, strict=False) else "no"
    except ValueError:
        return "maybe"


def every(answers: Iterable[Answer]) -> Answer:
    """Return the answer of a rule whose expressions gave these."""
    found = set(answers)
    return "no" if "no" in found else "maybe" if "maybe" in found else "yes"


def _any(answers: Iterable[Answer]) -> Answer:
    found = set(answers)
    return "yes" if "yes" in found else "maybe" if "maybe" in found else "no"


def _invert(answer: Answer) -> Answer:
    turned: dict[Answer, Answer] = {"yes": "no", "no": "yes", "maybe": "maybe"}
    return turned[answer]
