"""The rules of the guard as nft reads them. Nothing is read or written here.

Two things decide their form. Several clusters guard one server, and a drop in one table is final:
so a tunnel is named by its VNI, not by its UDP port alone. And with `bridge-nf-call-iptables` on,
bridged frames pass `forward` with their bridge as both devices: so what stays in one bridge is let
through before anything that names a bridge is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Address, Guest, Server

_VNI = "@th,96,24"
"""RFC 7348: after the UDP header (64 bits), 8 bits of flags and 24 reserved come 24 of VNI."""
_FORMAT = """table {family} {name}
delete table {family} {name}
"""


def render(cluster: Cluster, server: Server, device: str) -> dict[str, str]:
    """Return the guard's tables by family; each text replaces its table in one transaction.

    Args:
        cluster: The cluster that is guarded.
        server: The server that the tables are for.
        device: Its interface on the underlay.
    """
    if server.role == "switch":
        return {"inet": _switch(cluster, device)}
    tables = {"inet": _hypervisor(cluster, server, device)}
    if guests := cluster.guests_of(server.name):
        tables["bridge"] = _anti_spoof(cluster, guests)
    return tables


def removal(family: str, name: str) -> str:
    """Return what removes a table whether or not it is there."""
    return _FORMAT.format(family=family, name=name)


def peers(cluster: Cluster, server: Server) -> tuple[Address, ...]:
    """Return the underlay addresses that a server's tunnels lead to."""
    if server.role == "switch":
        return tuple(sorted({one.underlay for one in cluster.hypervisors}, key=str))
    return (cluster.switch.underlay,)


def _hypervisor(cluster: Cluster, server: Server, device: str) -> str:
    guests = cluster.guests_of(server.name)
    management = f'iifname "{cluster.management_bridge}"'
    port = cluster.settings.udp_port
    return _table(
        "inet",
        cluster,
        input=[
            *_tunnels(cluster, server, device),
            f"{management} ct state established,related accept",
            f"{management} icmp type echo-request accept",
            f"{management} drop",
            *_closed("iifname", (guest.bridge for guest in guests)),
        ],
        forward=[
            *_closed_management(cluster),
            # Guests of other clusters on this server: behind its address they look like it.
            *_by_family(
                "daddr",
                (one.underlay for one in cluster.servers),
                f"udp dport {port} {_VNI} {_vnis(cluster)}",
                "drop",
            ),
            *_closed_forward(guest.bridge for guest in guests),
        ],
        output=_closed(
            "oifname",
            (name for guest in guests for name in (guest.bridge, guest.tunnel, guest.data_tap)),
        ),
    )


def _switch(cluster: Cluster, device: str) -> str:
    server = cluster.switch
    return _table(
        "inet",
        cluster,
        input=[*_tunnels(cluster, server, device), *_closed("iifname", [cluster.switch_bridge])],
        forward=_closed_forward([cluster.switch_bridge]),
        output=_closed("oifname", [cluster.switch_bridge, *(one.tunnel for one in cluster.guests)]),
    )


@dataclass(frozen=True, slots=True)
class _Nic:
    """The tap of a guest's NIC, and the only addresses that may come in from it."""

    tap: str
    mac: str
    address: IPv4Address


def _management(guest: Guest) -> _Nic:
    return _Nic(guest.management_tap, guest.management_mac, guest.management_address.ip)


def _data(guest: Guest) -> _Nic:
    return _Nic(guest.data_tap, guest.data_mac, guest.data_address.ip)


def _anti_spoof(cluster: Cluster, guests: tuple[Guest, ...]) -> str:
    """Let only a guest's own addresses in from its management tap, and nothing tap to tap.

    From its data tap too, where the site wants it.
    """
    management = [_management(guest) for guest in guests]
    data = [_data(guest) for guest in guests] if cluster.settings.anti_spoof else []
    nics = [*management, *data]
    ip = _set(_sender(nic, times=1) for nic in nics)
    arp_sender = "iifname . ether saddr . arp saddr ether . arp saddr ip"
    arp = _set(_sender(nic, times=2) for nic in nics)
    taps, all_taps = (_set(f'"{nic.tap}"' for nic in some) for some in (management, nics))
    return _table(
        "bridge",
        cluster,
        prerouting=[
            f"ether type ip iifname . ether saddr . ip saddr {ip} accept",
            f"ether type arp {arp_sender} {arp} accept",
            f"iifname {all_taps} drop",
        ],
        forward=[f"iifname {taps} oifname {taps} drop"],
    )


def _sender(nic: _Nic, *, times: int) -> str:
    return f'"{nic.tap}" . {" . ".join([nic.mac] * times)} . {nic.address}'


def _tunnels(cluster: Cluster, server: Server, device: str) -> list[str]:
    """Let the cluster's tunnels in from their far ends only.

    At `input` packets are whole again: a fragment without a UDP header does not slip through.
    """
    tunnel = f"udp dport {cluster.settings.udp_port} {_VNI} {_vnis(cluster)}"
    near = f'{tunnel} iifname "{device}"'
    return [*_by_family("saddr", peers(cluster, server), near, "accept"), f"{tunnel} drop"]


def _by_family(side: str, addresses: Iterable[Address], match: str, verdict: str) -> list[str]:
    addresses = list(addresses)
    versions = {4: "ip", 6: "ip6"}
    return [
        f"{match} {versions[version]} {side} {_set(map(str, same))} {verdict}"
        for version in versions
        if (same := [one for one in addresses if one.version == version])
    ]


def _vnis(cluster: Cluster) -> str:
    return _set(str(guest.vni) for guest in cluster.guests)


def _closed_management(cluster: Cluster) -> list[str]:
    """Let guests reach their hypervisor only; or, where the site wants it, all but each other."""
    bridge = cluster.management_bridge
    if not cluster.settings.management_forwarding:
        return [f'iifname "{bridge}" drop', f'oifname "{bridge}" drop']
    return [
        f'iifname "{bridge}" oifname "{bridge}" drop',
        f'iifname "{bridge}" udp dport {cluster.settings.udp_port} drop',
    ]


def _closed(side: Literal["iifname", "oifname"], interfaces: Iterable[str]) -> list[str]:
    """Keep the server and the data network from each other.

    It has something to say there: a bridge that snoops on multicast joins the groups of all
    snoopers (RFC 4286) and reports it, and a server that forwards IPv6 joins that of all routers
    on each interface.
    """
    names = _set(f'"{name}"' for name in interfaces)
    return [f"{side} {names} drop"] if names else []


def _closed_forward(bridges: Iterable[str]) -> list[str]:
    """Keep layer 2 there: what a bridge forwards to itself passes, no route leads in or out."""
    bridges = list(bridges)
    if not bridges:
        return []
    names = _set(f'"{name}"' for name in bridges)
    same = _set(f'"{name}" . "{name}"' for name in bridges)
    return [
        f"iifname . oifname {same} accept",
        f"iifname {names} drop",
        f"oifname {names} drop",
    ]


def _set(elements: Iterable[str]) -> str:
    found = sorted(set(elements))
    return f"{{ {', '.join(found)} }}" if found else ""


def _table(family: str, cluster: Cluster, **hooks: list[str]) -> str:
    """Return the text of a table; the last rule of each chain carries the mark.

    A comment of the table itself is not in what `nft -j` prints (nft 1.0).
    """
    name = cluster.owner.guard_table
    priority = {"inet": "-150", "bridge": "-250"}[family]
    text = removal(family, name) + f"table {family} {name} {{\n"
    for hook, rules in hooks.items():
        text += f" chain {hook} {{\n  type filter hook {hook} priority {priority}; policy accept;\n"
        text += "".join(f'  {rule} comment "{cluster.owner.mark}"\n' for rule in rules)
        text += " }\n"
    return text + "}\n"
