"""Programs on devices as chains: filters of `tc`, BPF programs beside them (tcx), XDP programs.

They see what comes in before any table does, and what goes out after all of them. They can be
named, but not put back as they were: so no mode takes them away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farswitch.firewall.nft import Json
from farswitch.firewall.ruleset import TC, TCX, XDP, Chain, Rule

_TYPES = {"ip": "ip", "ipv4": "ip", "ipv6": "ip6", "arp": "arp"}
"""Names of ethertypes, as tc and flower print them, and as nft does."""
_KEYS = {"ip_proto": "l4proto", "dst_port": "dport", "src_ip": "saddr", "dst_ip": "daddr"}
"""Keys of flower, by our names; `eth_type` is apart."""
_PASSING = frozenset({"continue", "pipe", "unspec"})
_ATTACH = {1: "xdpdrv", 2: "xdpgeneric", 3: "xdpoffload"}
"""How `ip link set` names the modes of <linux/if_link.h>."""


def filters(printed: Iterable[Sequence[str]]) -> Iterator[Chain]:
    """Yield the filters of devices as `firewall_rules.py` printed them."""
    for device, hook, listed, text in printed:
        if listed.strip():
            where = [device] if hook == "root" else [device, hook]
            rules = tuple(_filters(listed, text, where))
            yield Chain(TC, device, hook, rules, None, user=False)


def programs(links: Iterable[Json]) -> Iterator[Chain]:
    """Yield the XDP programs of devices as `ip -j link show` lists them."""
    for link in links:
        if found := tuple(_programs(link)):
            yield Chain(XDP, link["ifname"], "ingress", found, None, user=False)


def tcx_programs(printed: Iterable[Sequence[Any]]) -> Iterator[Chain]:
    """Yield the programs of devices as `tcx_programs.py` printed them."""
    found: dict[tuple[str, str], list[Rule]] = {}
    for device, hook, program, name, link in printed:
        gone = ["bpftool", "net", "detach", f"tcx_{hook}", "dev", device]
        gone = ["bpftool", "link", "detach", "id", str(link)] if link else gone
        shown = f"tcx/{hook} id {program} name {name}".removesuffix(" name ")
        rule = _rule([{"unknown": TCX}, {"drop": None}], gone, shown)
        found.setdefault((device, hook), []).append(rule)
    for (device, hook), rules in found.items():
        yield Chain(TCX, device, hook, tuple(rules), None, user=False)


def expressions(rule: Rule) -> tuple[Json, ...]:
    """Return a rule of such a chain in our own words: `field`, `unknown` or a verdict."""
    return tuple(json.loads(rule.text)["expr"])


def removal(rule: Rule) -> list[str]:
    """Return the program and arguments that take such a rule away."""
    return list(json.loads(rule.text)["removal"])


def _filters(listed: str, text: str, where: list[str]) -> Iterator[Rule]:
    """Yield the filters of one hook of a device in the kernel's order."""
    texts = [block.split() for block in f"\n{text}".split("\nfilter ")[1:]]
    try:  # one key of u32 comes once for each of its matches
        entries = json.loads(listed, object_pairs_hook=_collected)
    except ValueError:  # tc of iproute2 5.15 and before writes u32 in between as text
        shown = " ".join(" ".join(block) for block in texts)
        gone = ["tc", "filter", "del", "dev", *where]
        yield _rule([{"unknown": TC}, {"drop": None}], gone, f"filter {shown}")
        return
    for entry, words in zip(entries, texts, strict=False):  # one may have come in between
        options = entry.get("options", {})
        handle = str(options.get("fh", options.get("handle", "")))
        if not options or "ht_divisor" in options:  # a filter's head, and u32's hash tables
            continue
        gone = ["tc", "filter", "del", "dev", *where, "protocol", entry["protocol"]]
        gone += ["chain", str(entry["chain"])] if entry.get("chain") else []
        gone += ["pref", str(entry["pref"]), *(["handle", handle] if handle else []), entry["kind"]]
        yield _rule([*_matches(entry, options), *_verdict(entry["kind"], options)],
                    gone, "filter " + " ".join(words))  # fmt: skip


def _matches(entry: Json, options: Json) -> Iterator[Json]:
    """Yield what a filter looks at."""
    if entry["protocol"] != "all":
        yield _field("protocol", entry["protocol"])
    if entry["kind"] == "flower":
        for key, value in options.get("keys", {}).items():
            yield _field("protocol" if key == "eth_type" else _KEYS.get(key, key), value)
    elif entry["kind"] == "u32":
        for match in _listed(options.get("match", [])):
            yield from _u32(int(match["value"], 16), int(match["mask"], 16), match)
    elif entry["kind"] != "matchall":
        yield {"unknown": entry["kind"]}


def _u32(value: int, mask: int, match: Json) -> Iterator[Json]:
    """Yield what 32 bits of an IPv4 header without options, or behind it, are compared with."""
    at = (match["off"], mask) if not match.get("offmask") else None
    if at == (8, 0x00FF0000):
        yield _field("l4proto", value >> 16)
    elif at == (20, 0x0000FFFF):
        yield _field("dport", value)
    elif at and at[0] in {12, 16} and mask:
        bits = mask.bit_count()
        address = ".".join(str(byte) for byte in value.to_bytes(4, "big"))
        yield _field("saddr" if at[0] == 12 else "daddr", f"{address}/{bits}")  # noqa: PLR2004
    elif mask:
        yield {"unknown": "u32"}


def _verdict(kind: str, options: Json) -> Iterator[Json]:
    """Yield what a filter does with what it matches."""
    actions = options.get("actions", [])
    if not actions and not options.get("direct-action"):
        yield {"accept": None} if kind != "bpf" else {"continue": None}
    if options.get("direct-action"):
        yield {"drop": None}
    for action in actions:
        control = action.get("control_action", {}).get("type", "")
        reinjected = str(action.get("to_dev", "")).startswith("ifb")
        if action["kind"] in {"police", "bpf"}:
            yield from ({"unknown": action["kind"]}, {"drop": None})
        elif control in {"pass", "ok"} or reinjected:
            yield {"accept": None}
        elif control not in _PASSING:
            yield {"drop": None}


def _programs(link: Json) -> Iterator[Rule]:
    """Yield the XDP programs of a device; what they do with a packet cannot be read."""
    device = link["ifname"]
    for attached in link.get("xdp", {}).get("attached", []):
        mode, program = _ATTACH.get(attached["mode"], "xdp"), attached["prog"]
        gone = ["ip", "link", "set", "dev", device, mode, "off"]
        shown = f"prog/{mode} id {program['id']} name {program.get('name', '')}"
        yield _rule([{"unknown": XDP}, {"drop": None}], gone, shown.removesuffix(" name "))


def _rule(expressions: list[Json], removal: list[str], shown: str) -> Rule:
    return Rule(json.dumps({"expr": expressions, "removal": removal}), shown=shown)


def _field(name: str, value: Any) -> Json:
    if isinstance(value, dict):
        if value.keys() != {"start", "end"}:
            return {"unknown": name}
        value = f"{value['start']}:{value['end']}"
    value = _TYPES.get(str(value), str(value)) if name == "protocol" else str(value)
    return {"field": {"name": name, "value": value, "negated": False}}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _collected(pairs: list[tuple[str, Any]]) -> Json:
    """Return a JSON object; what its key has more than once is a list."""
    found: Json = {}
    for key, value in pairs:
        found[key] = [*_listed(found[key]), value] if key in found else value
    return found
