"""What the kernel says of nft's tables that `nft -j` leaves out: owners, sleep, devices; and text.

An owner (flag `owner`, Linux 5.12) is a netlink socket: only the program that has it open changes
the table, and the table goes with it, or with the flag `persist` (Linux 6.9) stays for everybody.
firewalld has such a table where `NftablesTableOwner` is on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farswitch.firewall.nft import Json, Place

DORMANT = 1
"""NFT_TABLE_F_DORMANT of <linux/netfilter/nf_tables.h>."""
_HANDLE = re.compile(r"# handle (\d+)$")


@dataclass(frozen=True, slots=True)
class KernelTables:
    """What the kernel has of tables and chains beside what nft prints.

    Attributes:
        owners: By family and name of a table, the process that owns it, as people read it.
        dormant: Family and name of the tables whose chains the kernel does not call.
        devices: What a chain hangs on; a name that ends with `*` is of all that begin so.
    """

    owners: Mapping[tuple[str, str], str] = field(default_factory=dict)
    dormant: frozenset[tuple[str, str]] = frozenset()
    devices: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)

    def complete(self, listed: Json) -> Json:
        """Return an object of nft's listing, a chain with the devices that it hangs on."""
        if "chain" not in listed:
            return listed
        chain: Json = listed["chain"]
        devices = self.devices.get((chain["family"], chain["table"], chain["name"]))
        if not devices:
            return listed
        # nft 1.0.6 takes one device as a text only.
        return {"chain": {**chain, "dev": devices[0] if len(devices) == 1 else list(devices)}}


def parse(tables: Sequence[Sequence[Any]], chains: Sequence[Sequence[Any]]) -> KernelTables:
    """Read what `firewall_rules.py` printed of tables and chains."""
    return KernelTables(
        owners={(family, name): _process(owner) for family, name, _, owner in tables if owner},
        dormant=frozenset((family, name) for family, name, flags, _ in tables if flags & DORMANT),
        devices={
            (family, table, name): tuple(sorted(devices)) for family, table, name, devices in chains
        },
    )


def rule_texts(text: str) -> dict[tuple[Place, int], str]:
    """Return the rules of `nft -a list ruleset` as it prints them, by chain and handle."""
    found: dict[tuple[Place, int], str] = {}
    family = table = chain = ""
    pending: list[str] = []
    for line in map(str.strip, text.splitlines()):
        words = line.split()
        if line.startswith("table ") and "{" in words:
            family, table, chain, pending = words[1], words[2], "", []
        elif line.startswith("chain ") and "{" in words:
            chain, pending = words[1], []
        elif chain and (handle := _HANDLE.search(line)):
            shown = " ".join((*pending, line[: handle.start()].strip()))
            found[(family, table, chain), int(handle[1])] = shown
            pending = []
        elif line == "}":
            chain, pending = "", []
        elif not line.startswith("type "):
            pending.append(line)
    return found


def _process(owner: Json) -> str:
    if owner["process"] is None:
        return f"a process that is not seen here (netlink port {owner['port']})"
    pid, name = owner["process"]
    return f"process '{name}' (pid {pid})"
