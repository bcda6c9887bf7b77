"""What is read of interfaces and forwarding databases is what `ip` and `bridge` print of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from farswitch.connections.netlink.fdb import entries
from farswitch.connections.netlink.links import Link, Traffic, dump
from farswitch.deadline import Deadline, wait_until
from tests.netns.network.conftest import Endpoint

pytestmark = pytest.mark.root

SETUP = """\
link set lo up
link add br0 type bridge stp_state 1 forward_delay 400
link add br1 group 4242 mtu 1400 type bridge
link set br1 alias "farswitch:ähm: a 'b'"
link property add dev br1 altname farswitch-a-long-name-of-a-bridge altname zweiter-name
link set br1 arp off
link set br1 up
link add ve0 type veth peer name ve1
link set ve0 master br0 up
link set ve1 up
address add 203.0.113.9/24 dev ve1
address add 2001:db8::9/64 dev ve1
link add v4 master br1 type vxlan id 16777215 local 203.0.113.9 remote 203.0.113.10 dev ve1 dstport 4789 nolearning
link add v6 type vxlan id 7 local 2001:db8::9 remote 2001:db8::10 dev ve1 dstport 65535
link set v4 addrgenmode none
link set v4 up
link set v4 type bridge_slave isolated on learning off flood off
"""  # noqa: E501


@pytest.fixture
def server(namespace: Callable[[str], str]) -> Endpoint:
    name = namespace("reader")
    program = ["ip", "-netns", name, "-batch", "-"]
    subprocess.run(program, input=SETUP, text=True, check=True)
    add = ["02:00:00:00:00:07", "dev", "v4", "master", "static"]
    subprocess.run(["bridge", "-netns", name, "fdb", "add", *add], check=True)
    return Endpoint("reader", name)


def asked(server: Endpoint, *argv: str) -> list[dict[str, Any]]:
    argv = (argv[0], "-netns", server.namespace, "-j", *argv[1:])
    printed: list[dict[str, Any]] = json.loads(subprocess.check_output(argv))
    return printed


def test_interfaces_are_as_ip_prints_them(server: Endpoint) -> None:
    with server.session() as ipr:
        have = {link.name: link for link in dump(ipr)}
    printed = {one["ifname"]: one for one in asked(server, "ip", "-d", "link")}
    addresses = {one["ifname"]: one["addr_info"] for one in asked(server, "ip", "address")}
    assert list(have) == list(printed)
    for name, link in have.items():
        one = printed[name]
        assert described(link) == {
            "ifindex": one["ifindex"],
            "mtu": one["mtu"],
            "up": "UP" in one["flags"],
            "noarp": "NOARP" in one["flags"],
            "running": "LOWER_UP" in one["flags"],
            "group": str(one["group"]) if one["group"] != "default" else "0",
            "ifalias": one.get("ifalias", ""),
            "altnames": one.get("altnames", []),
            "master": one.get("master"),
            "address": one.get("address", ""),
            "kind": one.get("linkinfo", {}).get("info_kind", ""),
            "silent": one["inet6_addr_gen_mode"] == "none",
            "addresses": [f"{each['local']}/{each['prefixlen']}" for each in addresses[name]],
        }


def described(link: Link) -> dict[str, Any]:
    return {
        "ifindex": link.index,
        "mtu": link.mtu,
        "up": link.up,
        "noarp": not link.arp,
        "running": link.running,
        "group": str(link.group),
        "ifalias": link.alias,
        "altnames": list(link.altnames),
        "master": link.master,
        "address": link.mac,
        "kind": link.kind,
        "silent": not link.link_local,
        "addresses": [str(address) for address in link.addresses],
    }


def test_bridges_ports_and_tunnels_are_as_ip_prints_them(server: Endpoint) -> None:
    with server.session() as ipr:
        have = {link.name: link for link in dump(ipr)}
    printed = {one["ifname"]: one["linkinfo"] for one in asked(server, "ip", "-d", "link")[1:]}
    for name in ("br0", "br1"):
        data = printed[name]["info_data"]
        assert have[name].stp == bool(data["stp_state"])
        assert have[name].forward_delay == data["forward_delay"]
    for name in ("v4", "v6"):
        data, link = printed[name]["info_data"], have[name]
        assert link.vxlan is not None
        assert (link.vxlan.vni, link.vxlan.port, link.vxlan.device, link.vxlan.learning) == (
            data["id"], data["port"], data["link"], data["learning"],
        )  # fmt: skip
        local, remote = data.get("local") or data["local6"], data.get("remote") or data["remote6"]
        assert (str(link.vxlan.local), str(link.vxlan.remote)) == (local, remote)
    for name in ("v4", "ve0"):
        data, port = printed[name]["info_slave_data"], have[name].port
        assert port is not None
        assert (port.isolated, port.learning) == (data["isolated"], data["learning"])
        assert port.flood == (data["flood"] and data["mcast_flood"] and data["bcast_flood"])
        assert port.forwarding == (data["state"] == "forwarding")
    assert have["ve1"].port is None


def test_forwarding_entries_are_as_bridge_prints_them(server: Endpoint) -> None:
    with server.session() as ipr:
        have = entries(ipr, dump(ipr))
    wanted = sorted(
        (one["mac"], one["ifname"], one.get("master"), one.get("dst"), one.get("state") or "")
        for one in asked(server, "bridge", "fdb", "show")
        if one.get("master") or one.get("dst")
    )
    assert sorted(
        (
            entry.mac,
            entry.device,
            entry.bridge,
            str(entry.far) if entry.far else None,
            "permanent" if entry.local else "static" if entry.static else "",
        )
        for entry in have
    ) == [
        (mac, device, bridge, far, "permanent" if far else state)
        for mac, device, bridge, far, state in wanted
    ]
    assert ("02:00:00:00:00:07", "v4", "br1") in {(one.mac, one.device, one.bridge) for one in have}


def counters(server: Endpoint) -> dict[str, Traffic]:
    """Return what `ip` prints of each interface's counters."""
    printed = {one["ifname"]: one["stats64"] for one in asked(server, "ip", "-s", "link")}
    return {
        name: Traffic(
            one["rx"]["bytes"], one["rx"]["packets"], one["tx"]["bytes"], one["tx"]["packets"],
            one["rx"]["dropped"] + one["tx"]["dropped"],
        )
        for name, one in printed.items()
    }  # fmt: skip


def test_counters_are_as_ip_prints_them(server: Endpoint) -> None:
    send = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    program = ["ip", "netns", "exec", server.namespace, sys.executable, "-c", send]
    subprocess.run(program, check=True)

    def at_rest() -> tuple[dict[str, Traffic], dict[str, Traffic]] | None:
        """Read them, unless the kernel sent something of its own, as IPv6 does, meanwhile."""
        before = counters(server)
        with server.session() as ipr:
            have = {link.name: link.traffic for link in dump(ipr)}
        return (have, before) if counters(server) == before else None

    have, printed = wait_until(at_rest, Deadline(60), what="Two equal readings")
    assert have == printed
    assert have["lo"].received_packets > 0
