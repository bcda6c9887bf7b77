"""What the kernel has of nf_tables: what nft prints, and what nft 1.0.6 does not.

Of a table its flags and owner, of a chain its devices.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

NETLINK_NETFILTER, SUBSYSTEM = 12, 10
"""From <linux/netlink.h>, and NFNL_SUBSYS_NFTABLES of <linux/netfilter/nfnetlink.h>."""
GET_TABLE, GET_CHAIN, GET_GENERATION = 1, 4, 16
"""NFT_MSG_GETTABLE, ..._GETCHAIN and ..._GETGEN of <linux/netfilter/nf_tables.h>."""
GENERATION = 1
TABLE_NAME, TABLE_FLAGS, TABLE_OWNER = 1, 2, 7
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK = 1, 3, 4
HOOK_DEVICE, HOOK_DEVICES, DEVICE_PREFIX = 3, 4, 2
OWNED = 2
"""NFT_TABLE_F_OWNER."""
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
KINDS = ("sets", "maps", "counters", "quotas", "limits", "flowtables", "ct helpers", "synproxys")
"""What a table holds beside chains, as `nft list` names it."""
DUMP = 0x301
"""NLM_F_REQUEST and NLM_F_DUMP."""
DONE, ERROR = 3, 2


def dump(kind: int) -> Iterator[tuple[str, dict[int, bytes]]]:
    """Yield family and attributes of each object of a kind."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("=IHHIIBBH", 20, SUBSYSTEM << 8 | kind, DUMP, 1, 0, 0, 0, 0))
        while True:
            data = kernel.recv(1 << 16)
            while data:
                length, message = struct.unpack_from("=IH", data)
                if message == DONE:
                    return
                if message == ERROR:
                    (code,) = struct.unpack_from("=i", data, 16)
                    if code == -errno.EINVAL:  # a kernel without nf_tables
                        return
                    raise OSError(-code, os.strerror(-code))
                yield FAMILIES.get(data[16], str(data[16])), dict(attributes(data[20:length]))
                data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of netlink attributes."""
    while data:
        length, number = struct.unpack_from("=HH", data)
        yield number & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


def text(content: bytes) -> str:
    """Return a string of the kernel's."""
    return content.rstrip(b"\0").decode(errors="replace")


def number(content: bytes) -> int:
    """Return a number of the kernel's: nf_tables has them in network order."""
    found: int = struct.unpack("!I", content)[0]
    return found


def devices(hook: bytes) -> list[str]:
    """Return the devices of a hook; one that ends with `*` stands for all that begin so."""
    found = dict(attributes(hook))
    several = [
        text(name) + "*" * (kind == DEVICE_PREFIX)
        for kind, name in attributes(found.get(HOOK_DEVICES, b""))
    ]
    if not several and HOOK_DEVICE in found:  # before Linux 5.5
        return [text(found[HOOK_DEVICE])]
    return several


def process(port: int) -> list[int | str] | None:
    """Return id and name of the process that has a netlink port of nf_tables, where one is seen."""
    lines = Path("/proc/net/netlink").read_text(encoding="ascii").splitlines()
    rows = [line.split() for line in lines[1:]]
    inodes = [row[9] for row in rows if (row[1], row[2]) == (str(NETLINK_NETFILTER), str(port))]
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted & set(open_files(folder / "fd")):
                name = (folder / "comm").read_text(encoding="utf-8", errors="replace")
                return [int(folder.name), name.strip()]
        except OSError:  # it ended meanwhile
            continue
    return None


def open_files(folder: Path) -> Iterator[str]:
    """Yield what a process has open."""
    for descriptor in folder.iterdir():
        try:
            yield os.readlink(descriptor)  # noqa: PTH115 - Path.readlink came with Python 3.9
        except OSError:  # closed meanwhile
            continue


def tables() -> list[list[object]]:
    """Return family, name, flags and owner of each table."""
    found: list[list[object]] = []
    for family, table in dump(GET_TABLE):
        flags = number(table[TABLE_FLAGS])
        owner = None
        if flags & OWNED and TABLE_OWNER in table:
            port = number(table[TABLE_OWNER])
            owner = {"port": port, "process": process(port)}
        found.append([family, text(table[TABLE_NAME]), flags, owner])
    return found


def chains() -> list[tuple[str, str, str, list[str]]]:
    """Return family, table, name and devices of each chain."""
    return [
        (
            family,
            text(chain[CHAIN_TABLE]),
            text(chain[CHAIN_NAME]),
            devices(chain.get(CHAIN_HOOK, b"")),
        )
        for family, chain in dump(GET_CHAIN)
    ]


def generation() -> int:
    """Return the number that each change of any rule makes larger."""
    return next((number(found[GENERATION]) for _, found in dump(GET_GENERATION)), 0)


def listing(known: list[list[object]]) -> list[dict[str, dict[str, object]]]:
    """Return what `nft -j list ruleset` lists, of the tables that `tables` returned.

    nft before 1.0.7 prints of a table with flags what happens to lie in its memory: where there is
    one, the objects are listed without their tables.
    """
    if not any(flags for _, _, flags, _ in known):
        return nft("list", "ruleset", check=bool(known))
    found: list[dict[str, dict[str, object]]] = [
        {"table": {"family": family, "name": name}} for family, name, _, _ in known
    ]
    for kind in KINDS:
        found += nft("list", *kind.split())
    for family, table, name, _ in chains():
        found += chain(family, table, name)
    return found


def chain(family: str, table: str, name: str) -> list[dict[str, dict[str, object]]]:
    """Return a chain and its rules.

    It is named in JSON: as words nft takes no name that is one of its own, such as `log`.
    """
    wanted = {"chain": {"family": family, "table": table, "name": name}}
    return nft(json.dumps({"nftables": [{"list": wanted}]}))


def nft(*words: str, check: bool = False) -> list[dict[str, dict[str, object]]]:
    """Return the objects of one listing; of a kind or name that this nft does not know, none.

    With `check` end where it fails: what it has not listed is there all the same.
    """
    done = subprocess.run(["nft", "-j", *words], stdout=subprocess.PIPE, check=False)
    if check and done.returncode:
        raise SystemExit(f"nft -j {' '.join(words)} ended with status {done.returncode}")
    listed = json.loads(done.stdout.decode() or "{}").get("nftables", [])
    return [entry for entry in listed if "metainfo" not in entry]
