"""The lab's wires: a namespace with a bridge for each subnet, and one link from it to each NIC.

The machine's own network namespace gets a single interface, the controller's. The namespace is held
by a mount, not by a process. All members hang on the two bridges alike, so a further one is a
matter of data.
"""

from __future__ import annotations

import contextlib
import json
import os
from ipaddress import IPv4Interface
from typing import Any

from inventory.errors import ForeignObjectError
from lab.addresses import CONTROL_NIC, MTU, UNDERLAY_NIC, Lab, Member
from lab.command import ProgramError, run

CONTROL, UNDERLAY = "control", "underlay"
_CONTROLLER_PORT = "controller"
LINK_GROUP = 0x4C414201
"""Link group of the controller's interface ('LAB', 1): set at creation, so it marks it as ours."""


def namespace(path: str) -> tuple[str, ...]:
    """Return what runs a program in the network namespace behind a path."""
    return ("nsenter", f"--net={path}", "--")


def of_process(pid: int) -> str:
    """Return the path of a process's network namespace."""
    return f"/proc/{pid}/ns/net"


def observe(where: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return what `ip -j addr` says of each interface, by name; `where` as from `namespace`."""
    return {link["ifname"]: link for link in json.loads(run([*where, "ip", "-j", "addr", "show"]))}


def ensure_wire(lab: Lab) -> bool:
    """Make the namespace with the bridges, and the controller's interface.

    Returns:
        Whether anything was made.

    Raises:
        ForeignObjectError: An interface that is not the lab's has its name.
    """
    changed = not os.path.ismount(lab.wire)
    if changed:
        lab.wire.touch()
        run(["unshare", f"--net={lab.wire}", "true"])
    wire = namespace(str(lab.wire))
    ports = observe(wire)
    for bridge in (CONTROL, UNDERLAY):
        if bridge not in ports:
            # No wait before forwarding, and no snooping: a wire that passes everything at once.
            run([*wire, "ip", "link", "add", bridge, "mtu", str(MTU), "up", "type", "bridge",
                 "forward_delay", "0", "mcast_snooping", "0"])  # fmt: skip
            changed = True
    changed |= _settle(wire)
    return _ensure_controller(lab, wire, ports) or changed


def ensure_member(lab: Lab, member: Member, pid: int) -> bool:
    """Connect a running member to both bridges.

    Args:
        lab: The lab.
        member: The member.
        pid: Its first process.

    Returns:
        Whether anything was made.
    """
    wire, inside = namespace(str(lab.wire)), namespace(of_process(pid))
    nics = observe(inside)
    changed = False
    for nic, bridge, address in (
        (CONTROL_NIC, CONTROL, lab.address(member)),
        (UNDERLAY_NIC, UNDERLAY, lab.underlay_address(member)),
    ):
        port = f"{member.name}-{nic}"
        if nic not in nics:
            _delete(wire, port)  # its other end was in the member's former namespace
            run([*wire, "ip", "link", "add", port, "master", bridge, "mtu", str(MTU), "up",
                 "type", "veth", "peer", "name", nic, "mtu", str(MTU),
                 "netns", str(pid)])  # fmt: skip
            changed = True
        changed |= _ensure_address(inside, nic, address, nics.get(nic))
    return changed


def connected(lab: Lab) -> bool:
    """Return whether the controller's interface is there with its address."""
    have = observe().get(lab.link)
    return have is not None and _is_ours(have) and _has(have, lab.controller)


def remove(lab: Lab) -> bool:
    """Remove the namespace, the bridges and the controller's interface.

    Returns:
        Whether there was anything.
    """
    have = observe().get(lab.link)
    ours = have is not None and _is_ours(have)
    if ours:
        _delete((), lab.link)
    wired = os.path.ismount(lab.wire)
    while os.path.ismount(lab.wire):
        run(["umount", str(lab.wire)])
    return ours or wired


def _ensure_controller(lab: Lab, wire: tuple[str, ...], ports: dict[str, dict[str, Any]]) -> bool:
    have = observe().get(lab.link)
    if have is not None and not _is_ours(have):
        raise ForeignObjectError("Interface", lab.link, "controller")
    made = have is None or _CONTROLLER_PORT not in ports
    if made:
        _delete((), lab.link)
        _delete(wire, _CONTROLLER_PORT)
        run(["ip", "link", "add", lab.link, "mtu", str(MTU), "group", str(LINK_GROUP),
             "type", "veth", "peer", "name", _CONTROLLER_PORT, "netns", str(lab.wire)])  # fmt: skip
        run(["ip", "link", "set", lab.link, "addrgenmode", "none"])
        run([*wire, "ip", "link", "set", _CONTROLLER_PORT, "master", CONTROL, "mtu", str(MTU),
             "up"])  # fmt: skip
        have = None
    return _ensure_address((), lab.link, lab.controller, have) or made


def _ensure_address(
    where: tuple[str, ...], nic: str, address: IPv4Interface, have: dict[str, Any] | None
) -> bool:
    if have is not None and "UP" in have["flags"] and _has(have, address):
        return False
    run([*where, "ip", "addr", "replace", str(address), "dev", nic])
    run([*where, "ip", "link", "set", nic, "up"])
    return True


def _settle(wire: tuple[str, ...]) -> bool:
    """Keep the wires' namespace from speaking IPv6 and from showing frames to a firewall."""
    wanted = {f"net.bridge.bridge-nf-call-{kind}": "0" for kind in ("iptables", "ip6tables",
                                                                  "arptables")}  # fmt: skip
    wanted |= {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"}
    have = run([*wire, "sysctl", "-e", *wanted]).splitlines()  # -e: br_netfilter may be absent
    wrong = [key for key, value in wanted.items() if f"{key} = {1 - int(value)}" in have]
    for key in wrong:
        run([*wire, "sysctl", "-q", "-w", f"{key}={wanted[key]}"])
    return bool(wrong)


def _is_ours(link: dict[str, Any]) -> bool:
    return str(link.get("group")) == str(LINK_GROUP)


def _has(link: dict[str, Any], address: IPv4Interface) -> bool:
    return any(
        (have["local"], have["prefixlen"]) == (str(address.ip), address.network.prefixlen)
        for have in link["addr_info"]
        if have["family"] == "inet"
    )


def _delete(where: tuple[str, ...], name: str) -> None:
    with contextlib.suppress(ProgramError):  # it is not there, which is what was wanted
        run([*where, "ip", "link", "delete", name])
