"""What farswitch has on servers, of whatever cluster, and what of it nobody needs; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from farswitch.model.machines import Address

UNNAMED = ""
"""The cluster of what bears our mark and no cluster's name: base images, a link just made."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True, slots=True)
class Remain:
    """One object with our mark.

    Attributes:
        cluster: Whose it is, or `UNNAMED`.
        kind: What it is: `domain`, `bridge`, `nft table` ...
        name: Its name on the server.
        path: The file whose time is its age; empty where nothing is older than the boot.
    """

    cluster: str
    kind: str
    name: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Times:
    """A server's clock: now and the boot in seconds of its time, and when files were written."""

    now: int
    boot: int
    written: Mapping[str, int]

    def age(self, remain: Remain) -> str:
        """Return how old an object is, as people say it."""
        if not remain.path:
            return f"at most {spell(self.now - self.boot)}"  # links and rules end with the kernel
        written = self.written.get(remain.path)
        return "unknown" if written is None else spell(self.now - written)


@dataclass(frozen=True, slots=True)
class Seen:
    """What farswitch has on one server.

    Attributes:
        remains: Every object.
        records: The clusters whose record is here.
        bases: The first VNI of each cluster, as far as its link group tells.
        strays: First VNIs of the links that nothing but their group marks.
        pools: The storage pools in which volumes of ours may lie; none without libvirt.
        far: For each cluster the addresses where its tunnels end on other servers.
        addresses: The server's own addresses.
        times: The server's clock.
        libvirt: Whether it runs here.
    """

    remains: tuple[Remain, ...]
    records: frozenset[str]
    bases: Mapping[str, int]
    strays: tuple[int, ...]
    pools: tuple[str, ...]
    far: Mapping[str, frozenset[Address]]
    addresses: frozenset[Address]
    times: Times
    libvirt: bool

    def of(self, cluster: str) -> tuple[Remain, ...]:
        """Return the objects of one cluster."""
        return tuple(one for one in self.remains if one.cluster == cluster)


def named(cluster: str) -> bool:
    """Tell whether a word can be a cluster's name; a mark that says anything else is not ours."""
    return _NAME.fullmatch(cluster) is not None


def orphans(seen: Mapping[str, Seen], at_work: Iterable[str]) -> dict[str, str]:
    """Return every cluster with the reason why it is kept; an orphan has none.

    Args:
        seen: What is on each server that was looked at.
        at_work: The clusters on which a run works now.
    """
    known = frozenset().union(*(one.addresses for one in seen.values()))
    clusters = sorted({remain.cluster for one in seen.values() for remain in one.remains})
    return {name: _kept(name, seen, frozenset(at_work), known) for name in clusters if name}


def _kept(
    name: str, seen: Mapping[str, Seen], at_work: frozenset[str], known: frozenset[Address]
) -> str:
    away = frozenset().union(*(one.far.get(name, frozenset()) for one in seen.values())) - known
    records = [server for server, one in seen.items() if name in one.records]
    if name in at_work:
        return "a run works on it now"
    if records:
        return f"it has a record on '{records[0]}'"
    if away:
        return f"its tunnels lead to {', '.join(sorted(map(str, away)))}: name that server too"
    return ""


def spell(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    units = (("d", 86400), ("h", 3600), ("min", 60))
    name, size = next((one for one in units if seconds >= one[1]), ("s", 1))
    return f"{max(0, int(seconds // size))} {name}"
