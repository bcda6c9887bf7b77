"""Frames that are made byte by byte, each with a token that nobody could guess."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from farswitch.model.machines import Address
from farswitch.remote.packet_bytes import checksum

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES = IPv6Address("ff02::1")
"""Every host of a link (RFC 4291), and its MAC (RFC 2464)."""
ALL_NODES_MAC = "33:33:00:00:00:01"
SHORTEST = 60
"""Bytes of a frame without its checksum (IEEE 802.3)."""
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_SOURCE_PORT = 54321


def payload(token: bytes, kind: int, sender: int) -> bytes:
    """Return what a frame carries: the token, what it is, and room for its number.

    The number stands beside its complement, so that the sender may fill it in without a change of
    any checksum: the two add up to the same, whatever the number (RFC 1071).
    """
    return token + struct.pack("!HHHH", kind, sender, 0, 0xFFFF)


def ethernet(source: str, target: str, kind: int, body: bytes) -> bytes:
    """Return a frame from one MAC to another."""
    head = _mac(target) + _mac(source) + kind.to_bytes(2, "big")
    return (head + body).ljust(SHORTEST, b"\0")


def echo(macs: tuple[str, str], addresses: tuple[Address, Address], body: bytes) -> bytes:
    """Return an ICMP echo request; MACs and addresses: of the source, of the target."""
    source, target = addresses
    kind, protocol = (8, _ICMP) if source.version == 4 else (128, _ICMPV6)  # noqa: PLR2004
    extra = b"" if protocol == _ICMP else _pseudo(addresses, protocol, 8 + len(body))
    head = struct.pack("!BBHHH", kind, 0, 0, 0x4653, 1)
    total = checksum(extra + head + body)
    message = head[:2] + total.to_bytes(2, "big") + head[4:] + body
    return _ethernet_ip(macs, source, target, protocol, message)


def syn(macs: tuple[str, str], addresses: tuple[Address, Address], port: int, body: bytes) -> bytes:
    """Return a frame that asks for a TCP connection (RFC 9293), with data."""
    head = struct.pack("!HHIIBBHHH", _SOURCE_PORT, port, 1, 0, 5 << 4, 0x02, 0xFFFF, 0, 0)
    total = checksum(_pseudo(addresses, _TCP, len(head + body)) + head + body)
    segment = head[:16] + total.to_bytes(2, "big") + head[18:] + body
    return _ethernet_ip(macs, *addresses, _TCP, segment)


def vxlan(
    macs: tuple[str, str], addresses: tuple[Address, Address], port: int, vni: int, inner: bytes
) -> bytes:
    """Return a frame in a tunnel's form (RFC 7348), to a UDP port."""
    body = struct.pack("!II", 0x08000000, vni << 8) + inner
    head = struct.pack("!HHHH", _SOURCE_PORT, port, 8 + len(body), 0)
    total = checksum(_pseudo(addresses, _UDP, len(head + body)) + head + body) or 0xFFFF
    datagram = head[:6] + total.to_bytes(2, "big") + body
    return _ethernet_ip(macs, *addresses, _UDP, datagram)


def arp(
    macs: tuple[str, str], claimed: tuple[str, IPv4Address], wanted: IPv4Address, body: bytes
) -> bytes:
    """Return an ARP request, `body` in its padding; `claimed` is the sender that it names."""
    mac, address = claimed
    request = struct.pack("!HHBBH", 1, _IPV4, 6, 4, 1) + _mac(mac) + address.packed
    return ethernet(*macs, _ARP, request + bytes(6) + wanted.packed + body)


def link_local(mac: str) -> IPv6Address:
    """Return the IPv6 address that follows from a MAC (RFC 4291, appendix A)."""
    first, *rest = _mac(mac)
    middle = bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]])
    return IPv6Address(b"\xfe\x80" + bytes(6) + middle)


def _ethernet_ip(
    macs: tuple[str, str], source: Address, target: Address, protocol: int, body: bytes
) -> bytes:
    if source.version == 6:  # noqa: PLR2004
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
        return ethernet(*macs, _IPV6, head + source.packed + target.packed + body)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0)
    head += source.packed + target.packed
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return ethernet(*macs, _IPV4, head + body)


def _pseudo(addresses: tuple[Address, Address], protocol: int, length: int) -> bytes:
    """Return what a checksum covers beside the datagram; the same sum for both versions of IP."""
    source, target = addresses
    return source.packed + target.packed + struct.pack("!II", length, protocol)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
