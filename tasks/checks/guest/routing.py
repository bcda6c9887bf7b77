"""Do a guest's routes and rules send all traffic of the data network by data0, and only there?

They are read as `ip` prints them, so that a fault is named by the line that a person sees too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from farswitch.model.machines import DATA_NIC, Guest

TYPES = frozenset(
    {"unicast", "local", "broadcast", "multicast", "anycast", "throw",
     "unreachable", "prohibit", "blackhole"}
)  # fmt: skip
"""Types of a route (ip-route(8)); `unicast` is not printed."""
HARMLESS = frozenset({"proto", "scope", "src", "metric", "table", "dev", "linkdown", "dead"})
"""What the data network's own route may have: metrics as `mtu` or `window` change its traffic."""
_FLAGS = frozenset({"linkdown", "dead", "onlink", "pervasive", "offload", "trap", "notify"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, its usual cause, and the line of shell that mends it on the guest.

    Without a line nothing on the guest mends it.
    """

    text: str
    cause: str
    repair: str = ""


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A line of `ip -o route show table all`; options that are flags have an empty value."""

    text: str
    kind: str
    network: IPv4Network
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: str) -> RouteLine:
        """Read one line."""
        words = line.replace("\\", " ").split()
        kind = words.pop(0) if words[0] in TYPES else "unicast"
        prefix, rest, options = words[0], words[1:], dict[str, str]()
        while rest:
            name = rest.pop(0)
            if name in _FLAGS or not rest:
                value = ""
            elif rest[0] in {"inet6", "lock"}:
                value = f"{rest.pop(0)} {rest.pop(0)}" if rest[1:] else rest.pop(0)
            else:
                value = rest.pop(0)
            options.setdefault(name, value)
        network = IPv4Network("0.0.0.0/0" if prefix == "default" else prefix)
        return cls(" ".join(line.split()), kind, network, options)

    @property
    def table(self) -> str:
        return self.options.get("table", "main")

    @property
    def repair(self) -> str:
        """The line that removes it; `ip` does not take back all that it prints."""
        several = "nexthop" in self.options or "nhid" in self.options
        names = ["tos", "dsfield", *([] if several else ["via", "dev"]), "table", "metric"]
        words = [f"{name} {self.options[name]}" for name in names if name in self.options]
        kind = [] if self.kind == "unicast" else [self.kind]
        return " ".join(["ip route del", *kind, str(self.network), *words])


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A line of `ip -o rule show`: what it selects, and what it does."""

    text: str
    priority: str
    inverted: bool
    selectors: dict[str, str]
    action: str
    table: str = ""
    suppressed: int = -1

    @classmethod
    def parse(cls, line: str) -> RuleLine:
        """Read one line."""
        priority, _, rest = line.partition(":")
        words, selectors, action, table, suppressed = rest.split(), {}, "", "", -1
        inverted = words[:1] == ["not"]
        words = words[1:] if inverted else words
        while words:
            word = words.pop(0)
            if word == "lookup":
                action, table = word, words.pop(0)
            elif word == "suppress_prefixlength":
                suppressed = int(words.pop(0))
            elif word in {"goto", "nop", "blackhole", "unreachable", "prohibit"}:
                action, words = word, []
            elif words:
                selectors[word] = words.pop(0)
        if selectors.get("from") == "all":
            del selectors["from"]
        return cls(" ".join(line.split()), priority, inverted, selectors, action, table, suppressed)

    def may_match(self, data: IPv4Network) -> bool:
        """Tell whether it may select a packet of the data network; a mark or a port may be any."""
        if self.inverted:
            return True
        ends = [self.selectors[name] for name in ("from", "to") if name in self.selectors]
        return (
            all(IPv4Network(one, strict=False).overlaps(data) for one in ends)
            and self.selectors.get("iif", DATA_NIC) in {DATA_NIC, "lo"}
            and self.selectors.get("oif", DATA_NIC) == DATA_NIC
        )


def of_routes(
    guest: Guest, routes: Sequence[RouteLine], addresses: Sequence[str]
) -> Iterator[Fault]:
    """Yield the routes that lead data traffic astray, of the tables that every packet asks.

    Routes that the kernel made for an address are judged by the address.

    Args:
        guest: Whose routes they are.
        routes: Of all tables.
        addresses: All IPv4 addresses of the guest.
    """
    data, own = guest.settings.data_network, str(guest.data_address.ip)
    for route in routes:
        made = route.options.get("proto") == "kernel" and route.options.get("src") in addresses
        if route.table == "local":
            kernels = made and route.kind in {"local", "broadcast"}
            if not kernels and route.network.overlaps(data):
                yield _astray(route)
        elif route.table == "main" and route.network.subnet_of(data):
            others = made and route.options.get("src") != own
            if not others and not _own(route, data, own):
                yield _astray(route)
    if not any(route.table == "main" and _own(route, data, own) for route in routes):
        line = f"{data} dev {DATA_NIC} proto kernel scope link src {own}"
        yield Fault(f"no route '{line}'", "Somebody removed it.", f"ip route replace {line}")


def of_rules(
    guest: Guest, rules: Sequence[RuleLine], routes: Sequence[RouteLine]
) -> Iterator[Fault]:
    """Yield the rules that keep data traffic from the tables local and main."""
    data = guest.settings.data_network
    for rule in rules:
        if rule.table in {"local", "main"}:
            whole = not rule.selectors and not rule.inverted
            if rule.table == "main" and whole and rule.suppressed < data.prefixlen:
                return  # main has a route to the data network: nothing after it is asked
            continue
        if rule.action == "nop" or not rule.may_match(data):
            continue
        leads = [one for one in routes if one.table == rule.table and one.network.overlaps(data)]
        if rule.action == "lookup" and not leads:
            continue
        said = f"rule '{rule.text}'" + (f" leads to '{leads[0].text}'" if leads else "")
        cause = "Somebody or a network manager routes by policy."
        yield Fault(said, cause, f"ip rule del pref {rule.priority}")
    if rules:  # a kernel without rules prints none
        repair = "ip rule add pref 32766 lookup main"
        yield Fault("no rule looks up table main", "Somebody removed it.", repair)


def _own(route: RouteLine, data: IPv4Network, own: str) -> bool:
    """Tell whether it is the data network's own route, with nothing that changes its traffic."""
    return (
        (route.kind, route.network) == ("unicast", data)
        and route.options.get("dev") == DATA_NIC
        and route.options.get("src", own) == own
        and route.options.keys() <= HARMLESS
    )


def _astray(route: RouteLine) -> Fault:
    cause = "Somebody or a network manager added the route: it comes before the data network's own."
    return Fault(f"route '{route.text}'", cause, route.repair)
