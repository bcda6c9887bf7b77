"""Messages of a server's kernel as bytes, and their attributes.

pyroute2 asks and receives; what it would take to decode a link, 2 ms, is more than all the rest: a
server of 500 guests has 1,000 links.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

from pyroute2 import IPRoute
from pyroute2.netlink import nlmsg

Attributes: TypeAlias = dict[int, bytes]
"""By their numbers in the kernel's headers; of two with one number the last."""

HEADER = struct.Struct("=IHHII")
"""`struct nlmsghdr` (netlink(7)), whose fields are those of `MessageHead`."""
_ATTRIBUTE = struct.Struct("=HH")
_TYPE = 0x3FFF
"""NLA_TYPE_MASK of <linux/netlink.h>."""


class MessageHead(NamedTuple):
    """What stands before each message; `length` is in bytes, without what aligns the next one."""

    length: int
    kind: int
    flags: int
    sequence: int
    port: int


class Undecoded(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """A message of which only the header is decoded; `body` follows it."""

    body: bytes

    def decode(self) -> None:
        """Keep the bytes."""
        head = MessageHead(*HEADER.unpack_from(self.data, self.offset))
        self["header"] = {
            "length": head.length, "type": head.kind, "flags": head.flags,
            "sequence_number": head.sequence, "pid": head.port, "error": None,
        }  # fmt: skip
        self.body = bytes(self.data[self.offset + HEADER.size : self.offset + head.length])


@contextmanager
def undecoded(ipr: IPRoute, kind: int) -> Iterator[None]:
    """Have a session return messages of a type (RTM_NEW…) as they are."""
    classes: dict[int, Any] = ipr.marshal.msg_map
    usual = classes[kind]
    classes[kind] = Undecoded
    try:
        yield
    finally:
        classes[kind] = usual


def aligned(length: int) -> int:
    """Return how many bytes a message or an attribute takes up (NLMSG_ALIGN, NLA_ALIGN)."""
    return (length + 3) & ~3


def each_message(datagram: bytes) -> Iterator[tuple[int, MessageHead]]:
    """Yield offset and header of each message of a datagram."""
    offset = 0
    while offset + HEADER.size <= len(datagram):
        head = MessageHead(*HEADER.unpack_from(datagram, offset))
        yield offset, head
        offset += max(HEADER.size, aligned(head.length))


def each_attribute(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and value of each attribute in a row of them."""
    offset, end = 0, len(data)
    while offset + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE, data[offset + _ATTRIBUTE.size : offset + length]
        offset += aligned(length)


def attributes(data: bytes) -> Attributes:
    """Return the attributes in a row of them."""
    return dict(each_attribute(data))


def number(value: bytes | None) -> int:
    """Return the unsigned integer of an attribute, in the order of this machine; 0 without it."""
    return int.from_bytes(value or b"", sys.byteorder)


def text(value: bytes | None) -> str:
    """Return the text of an attribute, without the zero byte at its end."""
    return (value or b"").rstrip(b"\0").decode(errors="replace")
