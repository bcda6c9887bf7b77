"""Whether a chain of rules lets a flow pass.

A rule is compared with a flow in three values: it matches, it does not, or that cannot be known
(the content of a set, a match that nft does not print). Passing means certainly accepted: so
`check` may warn of a rule that does no harm, but misses none that does.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from tasks.flows import Flow
from tasks.nft import Json
from tasks.ruleset import NFT, Chain, Rule, Ruleset

Answer = Literal["yes", "no", "maybe"]
_DEEPEST = 16
"""Jumps that the kernel allows (NFT_JUMP_STACK_SIZE)."""
_HARMLESS = frozenset(
    {"LOG", "NFLOG", "MARK", "CONNMARK", "CT", "CHECKSUM", "TCPMSS", "TOS", "DSCP", "TRACE", "TTL"}
)
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_FLAGS = {
    "-i": "iifname", "-o": "oifname", "-s": "saddr", "-d": "daddr", "-p": "l4proto",
    "--dport": "dport", "--ctstate": "state", "--state": "state", "--icmp-type": "icmp type",
}  # fmt: skip
_ICMP = {"8": "echo-request", "0": "echo-reply"}
_IGNORED = frozenset({"-m", "--comment"})
_PASSES = "passes"
_RETURNS = ""


def obstacle(have: Ruleset, chain: Chain, flow: Flow, *, ours: bool = True) -> str:
    """Return what in a chain that the kernel calls keeps a flow from passing, or nothing.

    Args:
        have: All rules, for the jumps.
        chain: The chain.
        flow: The flow.
        ours: Whether our own rules count.
    """
    verdict = _walk(have, chain, flow, ours=ours, depth=0)
    if verdict == _PASSES:
        return ""
    if verdict == _RETURNS:
        return f"policy {chain.policy} of {chain}" if chain.policy == "drop" else ""
    return verdict


def seen_by(chain: Chain, flow: Flow) -> bool:
    """Tell whether the kernel shows a flow's packets to a chain."""
    if chain.user or (chain.nft is not None and chain.nft.kind == "nat") or chain.table == "nat":
        return False
    if chain.nft is not None:
        return chain.nft.family in flow.families and chain.nft.hook in flow.hooks
    family = {"iptables": "ip", "ip6tables": "ip6"}.get(chain.tool.partition("-")[0], "bridge")
    return family in flow.families and chain.name.lower() in flow.hooks


def _walk(have: Ruleset, chain: Chain, flow: Flow, *, ours: bool, depth: int) -> str:
    """Return `passes`, nothing where the chain comes to its end, or the rule that may drop."""
    if depth > _DEEPEST:
        return f"too many jumps in {chain}"
    for at, rule in enumerate(chain.rules):
        if rule.ours and not ours:
            continue
        expr = _expressions(chain, at, rule)
        answer = _all(_matches(one, flow) for one in expr)
        if answer == "no":
            continue
        verdict, target = _verdict(expr)
        if verdict in {"drop", "unknown"}:
            return f"rule {at + 1} of {chain}"
        if verdict == "return" and answer == "yes":
            return _RETURNS
        if verdict == "jump":
            there = have.chain(f"{chain.tool}|{chain.table}|{target}")
            inner = _walk(have, there, flow, ours=ours, depth=depth + 1) if there else _RETURNS
            if inner not in {_PASSES, _RETURNS}:
                return inner
            verdict = "accept" if inner == _PASSES else "continue"
        if verdict == "accept" and answer == "yes":
            return _PASSES
    return _RETURNS


def _expressions(chain: Chain, at: int, rule: Rule) -> tuple[Json, ...]:
    if chain.nft is not None and (chain.tool == NFT or chain.tool.startswith("ebtables")):
        return chain.nft.rules[at].expr
    return tuple(_of_text(rule.text))


def _of_text(text: str) -> Iterable[Json]:
    """Yield a rule of iptables in our own words: `field`, `unknown` or a verdict."""
    words = shlex.split(text)
    negated = False
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        if word in {"-j", "-g"}:
            yield _target(words.pop(0))
            continue
        value = words.pop(0) if words and not words[0].startswith("-") else ""
        if word in _FLAGS:
            value = _ICMP.get(value, value) if word == "--icmp-type" else value
            yield {"field": {"name": _FLAGS[word], "value": value, "negated": negated}}
        elif word.startswith("-") and word not in _IGNORED:
            yield {"unknown": word}
        negated = False


def _target(name: str) -> Json:
    known = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
    if name in known:
        return {known[name]: None}
    if name in _HARMLESS:
        return {"log": None}
    return {"jump": {"target": name}} if not name.isupper() or "-" in name else {"target": name}


def _verdict(expr: tuple[Json, ...]) -> tuple[str, str]:
    for one in expr:
        ((kind, content),) = one.items()
        if kind in {"accept", "return", "drop"}:
            return kind, ""
        if kind in {"reject", "tarpit"}:
            return "drop", ""
        if kind in {"jump", "goto"}:
            return "jump", content["target"]
        if kind in {"vmap", "queue"} or (kind == "target" and content not in _HARMLESS):
            return "unknown", ""
        if kind == "xt" and content["type"] == "target" and content["name"] not in _HARMLESS:
            return "unknown", ""
    return "continue", ""


def _matches(one: Json, flow: Flow) -> Answer:
    ((kind, content),) = one.items()
    if kind == "field":
        answer = _compare(flow.facts.get(content["name"]), content["value"])
        return _invert(answer) if content["negated"] else answer
    if kind == "match":
        answer = _match(content, flow)
        return _invert(answer) if content["op"] == "!=" else answer
    if kind == "xt" and content["type"] == "match":
        return "yes" if content["name"] == "comment" else "maybe"
    return "maybe" if kind in {"unknown", "limit", "meter", "set", "connlimit", "quota"} else "yes"


def _match(content: Json, flow: Flow) -> Answer:
    name, protocol = _field(content["left"])
    if protocol in {"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite"}:
        known = flow.facts.get("l4proto")
        if known is None or known != protocol:
            return "maybe" if known is None else "no"
    if content["op"] not in {"==", "!=", "in"}:
        return "maybe"
    return _compare(flow.facts.get(name), content["right"])


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


def _all(answers: Iterable[Answer]) -> Answer:
    found = set(answers)
    return "no" if "no" in found else "maybe" if "maybe" in found else "yes"


def _any(answers: Iterable[Answer]) -> Answer:
    found = set(answers)
    return "yes" if "yes" in found else "maybe" if "maybe" in found else "no"


def _invert(answer: Answer) -> Answer:
    turned: dict[Answer, Answer] = {"yes": "no", "no": "yes", "maybe": "maybe"}
    return turned[answer]
