"""Does a guest send to its peers by data0, and does it answer there: neighbours, routes, rules?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC, Guest
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.remote import shell_command
from tasks.checks.guest.routing import Fault, RouteLine, RuleLine, of_routes, of_rules

NAME = "guest.network"
GOOD = "peers at their own MACs, by data0 alone"
SETTINGS: Mapping[str, tuple[str, str]] = {
    "net/ipv4/icmp_echo_ignore_all": ("1", "it answers no ping"),
    "net/ipv4/conf/all/arp_ignore": ("8", "it answers no ARP"),
    f"net/ipv4/conf/{DATA_NIC}/arp_ignore": ("8", "it answers no ARP"),
    f"net/ipv4/conf/{DATA_NIC}/proxy_arp_pvlan": ("1", "it answers ARP for its peers"),
}
"""Settings of the kernel by their path below /proc/sys, the value that harms, and what it does.

See ip-sysctl in the kernel's documentation; strict `rp_filter` and `arp_filter` do no harm where
the routes are right.
"""


@dataclass(frozen=True, slots=True)
class GuestNetwork:
    """What a guest printed, in lines: IPsec's `policies` and the kernel's `settings` too."""

    link: str
    addresses: Sequence[str]
    routes: Sequence[str]
    rules: Sequence[str]
    neighbours: Sequence[str]
    policies: Sequence[str]
    settings: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> GuestNetwork:
        """Read the sections that the script printed."""
        parts: dict[str, list[str]] = {}
        for part in f"\n{text}".split("\n=== ")[1:]:
            name, *lines = part.splitlines()
            parts[name] = [line for line in lines if line.strip()]
        return cls(
            link="".join(parts.get("link", ())),
            addresses=parts.get("address", ()),
            routes=parts.get("route", ()),
            rules=parts.get("rule", ()),
            neighbours=parts.get("neighbour", ()),
            policies=parts.get("policy", ()),
            settings=dict(line.split(None, 1) for line in parts.get("setting", ())),
        )

    @property
    def flags(self) -> frozenset[str]:
        """The flags of the data NIC, as `<BROADCAST,UP>`."""
        return frozenset(self.link.partition("<")[2].partition(">")[0].split(","))

    @property
    def places(self) -> list[tuple[str, IPv4Interface]]:
        """Each IPv4 address with its interface."""
        fields = (line.split() for line in self.addresses)
        return [(words[1], IPv4Interface(words[3])) for words in fields if words[2] == "inet"]


def faults(cluster: Cluster, guest: Guest, found: GuestNetwork) -> Iterator[Fault]:
    """Yield what is wrong of a guest's data network."""
    if not found.link:
        hint = "farswitch verify --only guest.identity says where it is."
        yield Fault(f"no interface {DATA_NIC}", hint)
        return
    yield from _of_link(found)
    yield from _of_addresses(guest, found)
    routes = [RouteLine.parse(line) for line in found.routes]
    if "UP" in found.flags and (DATA_NIC, guest.data_address) in found.places:
        yield from of_routes(guest, routes, [str(address.ip) for _, address in found.places])
    yield from of_rules(guest, [RuleLine.parse(line) for line in found.rules], routes)
    if "NOARP" not in found.flags:
        yield from _of_neighbours(cluster, guest, found)
    yield from _of_policies(guest, found)
    for name, (harm, effect) in SETTINGS.items():
        if found.settings.get(name) == harm:
            key = name.replace("/", ".")
            cause = f"So {effect}. A file below /etc/sysctl.d may set it at each start."
            yield Fault(f"{key} = {harm}", cause, f"sysctl -q -w {key}=0")


def _of_link(found: GuestNetwork) -> Iterator[Fault]:
    words = found.link.split()
    if "NOARP" in found.flags:
        cause = "Somebody switched ARP off: it finds no peer."
        yield Fault(f"{DATA_NIC} has NOARP", cause, f"ip link set dev {DATA_NIC} arp on")
    if "master" in words:
        master = words[words.index("master") + 1]
        cause = "Somebody put it into a bridge, bond or VRF: its own address gets no frames."
        repair = f"ip link set dev {DATA_NIC} nomaster"
        yield Fault(f"{DATA_NIC} is in '{master}'", cause, repair)
    if "UP" in found.flags and "LOWER_UP" not in found.flags:
        cause = "Its tap on the hypervisor is down: see 'tunnel.ports'."
        yield Fault(f"{DATA_NIC} has no carrier", cause)


def _of_addresses(guest: Guest, found: GuestNetwork) -> Iterator[Fault]:
    """Yield addresses of the data network elsewhere: 'guest.identity' judges those of data0."""
    for nic, address in found.places:
        if nic != DATA_NIC and address.ip in guest.settings.data_network:
            cause = "It takes packets to that address for its own, or sends by another NIC."
            yield Fault(f"'{nic}' has {address}", cause, f"ip address del {address} dev {nic}")


def _of_neighbours(cluster: Cluster, guest: Guest, found: GuestNetwork) -> Iterator[Fault]:
    peers = {str(one.data_address.ip): one for one in cluster.guests if one is not guest}
    names = {one.data_mac: one.name for one in cluster.guests}
    for line in found.neighbours:
        words = line.split()
        peer = peers.get(words[0])
        mac = words[words.index("lladdr") + 1] if "lladdr" in words else ""
        if peer is None or mac in {"", peer.data_mac}:
            continue
        if {"PERMANENT", "NOARP"} & set(words):
            cause = "Somebody wrote the entry by hand (ip neighbour): it does not age."
        else:
            who = f"'{names[mac]}'" if mac in names else "A machine"
            cause = f"{who} with that MAC has answered for {peer.name}: see its 'guest.identity'."
        yield Fault(
            f"neighbour '{' '.join(words)}' is not {peer.name}, which has {peer.data_mac}",
            cause,
            f"ip neighbour del {words[0]} dev {DATA_NIC}",
        )


def _of_policies(guest: Guest, found: GuestNetwork) -> Iterator[Fault]:
    """Yield IPsec policies that select data traffic; an application's own socket may have some."""
    for line in found.policies:
        words = line.replace("\\", " ").split()
        if words[0] != "src" or "dir" not in words or ":" in f"{words[1]}{words[3]}":
            continue
        ends = [IPv4Network(word, strict=False) for word in (words[1], words[3])]
        if all(one.overlaps(guest.settings.data_network) for one in ends):
            selector = f"src {ends[0]} dst {ends[1]} dir {words[words.index('dir') + 1]}"
            cause = "Somebody set IPsec up: it encrypts or drops what it selects."
            repair = f"ip xfrm policy delete {selector}"
            yield Fault(f"IPsec policy '{' '.join(words)}'", cause, repair)


def judge(context: Context, guest: Guest, found: GuestNetwork) -> Check:
    """Return the verdict on one guest."""
    wrong = list(faults(context.cluster, guest, found))
    repairs = [one.repair for one in wrong if one.repair]
    mended = context.command(guest.name, ["sh", "-c", "; ".join(repairs)]) if repairs else ""
    return Check(
        NAME,
        guest.name,
        ok=not wrong,
        measured="; ".join(one.text for one in wrong) or GOOD,
        expected=GOOD,
        cause=" ".join(dict.fromkeys(one.cause for one in wrong)),
        fix=mended or context.rebuild,
    )


def observe(task: Task, _context: Context) -> GuestNetwork:
    """Look at one guest."""
    argv = shell_command("guest_network", DATA_NIC, *SETTINGS)
    return GuestNetwork.parse(shell(task).run(argv, timeout=20).stdout)


def verdicts(context: Context, host: str, found: GuestNetwork) -> Iterator[Check]:
    """Yield the verdict on one guest."""
    yield judge(context, context.cluster.guest(host), found)


PROBE = Probe(
    "guests",
    {NAME: "Neighbours, routes and rules lead to the peers by data0, and nothing else does."},
    of_each("guests", observe, verdicts),
)
