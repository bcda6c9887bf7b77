"""The links from the lab's bridges to the controller and to each NIC of a member."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

from farswitch.errors import ForeignObjectError
from farswitch.lab.addresses import CONTROL_NIC, MTU, UNDERLAY_NIC, Lab, Member
from farswitch.lab.bridges import CONTROL, UNDERLAY, Links, namespace, observe, within
from farswitch.lab.run import ProgramError, run

LINK_GROUP = 0x4C414201
"""VethPair group of the lab's NICs ('LAB', 1): set at creation, so it marks them as ours."""


@dataclass(frozen=True, slots=True)
class VethPair:
    """A veth pair: a port of a bridge, and a NIC in the namespace of process `pid`."""

    port: str
    bridge: str
    nic: str
    address: IPv4Interface
    pid: int

    @property
    def mac(self) -> str:
        """The NIC's own: the same after a boot, so that no neighbour waits with a stale one.

        Locally administered unicast (IEEE 802: second bit of the first byte).
        """
        host = int(self.address.ip) & 0xFFFF
        return f"02:4c:41:{self.bridge == UNDERLAY:02x}:{host >> 8:02x}:{host & 0xFF:02x}"


def ensure_controller(lab: Lab) -> bool:
    """Connect the controller, which is this machine; return whether anything was made.

    Raises:
        ForeignObjectError: An interface that is not the lab's has its name.
    """
    nics = observe()
    if lab.link in nics and not _is_ours(nics[lab.link]):
        raise ForeignObjectError("Interface", lab.link, "controller")
    link = VethPair("controller", CONTROL, lab.link, lab.controller, os.getpid())
    return _ensure(within(lab), (), link, nics)


def ensure_member(lab: Lab, member: Member, pid: int) -> bool:
    """Connect a running member to both bridges; return whether anything was made."""
    outside, inside = within(lab), namespace(f"/proc/{pid}/ns/net")
    nics = observe(inside)
    links = (
        VethPair(f"{member.name}-ctl", CONTROL, CONTROL_NIC, lab.address(member), pid),
        VethPair(f"{member.name}-und", UNDERLAY, UNDERLAY_NIC, lab.underlay_address(member), pid),
    )
    changes = [_ensure(outside, inside, link, nics) for link in links]
    return any(changes)


def connected(lab: Lab) -> bool:
    """Return whether the controller's interface is there with its address."""
    have = observe().get(lab.link)
    return have is not None and _is_ours(have) and _answers(have, lab.controller)


def remove_controller(lab: Lab) -> bool:
    """Remove the controller's interface; return whether it was there, and the lab's."""
    have = observe().get(lab.link)
    ours = have is not None and _is_ours(have)
    if ours:
        _delete((), lab.link)
    return ours


def _ensure(outside: tuple[str, ...], inside: tuple[str, ...], link: VethPair, nics: Links) -> bool:
    nic = nics.get(link.nic)
    port = observe(outside).get(link.port)
    if nic is None or port is None:
        _delete(inside, link.nic)  # its other end was on a bridge that is gone
        _delete(outside, link.port)  # or in a member that is gone
        run([*outside, "ip", "link", "add", link.port, "master", link.bridge, "mtu", str(MTU), "up",
             "type", "veth", "peer", "name", link.nic, "address", link.mac, "mtu", str(MTU),
             "group", str(LINK_GROUP), "netns", str(link.pid)])  # fmt: skip
    elif port.get("master") != link.bridge or "UP" not in port["flags"]:
        run([*outside, "ip", "link", "set", link.port, "master", link.bridge, "up"])
    elif _answers(nic, link.address):
        return False
    run([*inside, "ip", "addr", "replace", str(link.address), "dev", link.nic])
    run([*inside, "ip", "link", "set", link.nic, "up"])
    return True


def _is_ours(nic: dict[str, Any]) -> bool:
    return str(nic.get("group")) == str(LINK_GROUP)


def _answers(nic: dict[str, Any], address: IPv4Interface) -> bool:
    wanted = (str(address.ip), address.network.prefixlen)
    return "UP" in nic["flags"] and any(
        (have["local"], have["prefixlen"]) == wanted for have in nic["addr_info"]
    )


def _delete(where: tuple[str, ...], name: str) -> None:
    with contextlib.suppress(ProgramError):  # it is not there, which is what was wanted
        run([*where, "ip", "link", "delete", name])
