"""Whose objects are meant: the marks of one cluster on links, rules and tables."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

GROUP_BASE = 0x46000000
"""Upper byte ('F') of our link groups; the lower three tell clusters apart."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A cluster as the owner of objects on a server.

    Attributes:
        vni_base: Its first VNI (24 bits, RFC 7348), which tells its link group from others'; None
            takes 24 bits of a checksum of the name.
    """

    cluster: str
    vni_base: int | None = None

    @property
    def mark(self) -> str:
        """What an alias or a rule's comment starts with."""
        return f"farswitch:{self.cluster}"

    @property
    def link_group(self) -> int:
        """The link group of its interfaces: set at creation, hence an atomic mark."""
        low = (
            zlib.crc32(self.cluster.encode()) & 0xFFFFFF if self.vni_base is None else self.vni_base
        )
        return GROUP_BASE | low

    @property
    def guard_table(self) -> str:
        """The name of its nft tables."""
        return f"farswitch_{self.cluster.replace('-', '_')}"
