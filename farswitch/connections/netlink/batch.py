"""Many requests to a server's kernel at once: each alone would wait for its answer.

Of what a request costs, compiling is pyroute2's (0.2 ms), and the rest is the way to the server and
back, which a datagram of many requests takes once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from pyroute2 import IPBatch
from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.attributes import HEADER, MessageHead, aligned, each_message
from farswitch.connections.netlink.links import Session

AT_ONCE = 64
"""Requests in a datagram: the kernel's answers to them must fit into a socket's usual buffer."""


class RefusedError(Exception):
    """The kernel refused one of many requests, and may have carried out the others."""


class _Compiled(dict[str, Any]):
    """A request as bytes, in the shape of those that pyroute2 encodes itself."""

    def __init__(self, data: bytes, head: MessageHead) -> None:
        super().__init__(header={"type": head.kind, "flags": head.flags})
        self.data = bytearray(data)

    def reset(self) -> None:
        """Nothing: it is compiled."""

    def encode(self) -> None:
        """Write the number that pyroute2 gave the request."""
        head = self["header"]
        numbers = (head["type"], head["flags"], head["sequence_number"], head["pid"])
        HEADER.pack_into(self.data, 0, len(self.data), *numbers)


@contextmanager
def batched(ipr: Session) -> Iterator[Session]:
    """Yield a session that keeps all requests, and send them when the block ends.

    Nothing can be read by it.

    Raises:
        RefusedError: The kernel refused one.
    """
    with closing(IPBatch()) as compiler:
        yield compiler
        data = bytes(compiler.batch)
    compiled = [
        _Compiled(data[offset : offset + aligned(head.length)], head)
        for offset, head in each_message(data)
    ]
    try:
        for start in range(0, len(compiled), AT_ONCE):
            ipr.nlm_request_batch(compiled[start : start + AT_ONCE])
    except NetlinkError as error:
        raise RefusedError from error
