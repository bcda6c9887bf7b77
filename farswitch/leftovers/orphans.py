"""What farswitch has on servers, of whatever cluster, and what of it nobody needs; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from farswitch.model.machines import Address
from farswitch.state.document import NewerDocumentError

UNNAMED = ""
"""The cluster of what bears our mark and no cluster's name: base images, a link just made."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True, slots=True)
class Leftover:
    """One object with our mark.

    Attributes:
        cluster: Whose it is, or `UNNAMED`.
        kind: What it is: `domain`, `bridge`, `nft table` ...
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

    def age(self, leftover: Leftover) -> str:
        """Return how old an object is, in its largest unit."""
        if not leftover.path:
            return f"at most {spell(self.now - self.boot)}"  # links and rules end with the kernel
        written = self.written.get(leftover.path)
        return "unknown" if written is None else spell(self.now - written)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What farswitch has on one server.

    Attributes:
        records: The clusters whose record is here.
        bases: The first VNI of each cluster, as far as its links or its record name it.
        strays: First VNIs of the links that nothing but their group marks.
        pools: The storage pools in which volumes of ours may lie; none without libvirt.
        far: For each cluster the addresses where its tunnels end on other servers.
        addresses: The server's own addresses.
        libvirt: Whether it runs here.
        newer: For each cluster whose record here a newer release wrote, the error that says so.
    """

    objects: tuple[Leftover, ...]
    records: frozenset[str]
    bases: Mapping[str, int]
    strays: tuple[int, ...]
    pools: tuple[str, ...]
    far: Mapping[str, frozenset[Address]]
    addresses: frozenset[Address]
    times: Times
    libvirt: bool
    newer: Mapping[str, NewerDocumentError] = field(default_factory=dict)

    def of(self, cluster: str) -> tuple[Leftover, ...]:
        """Return the objects of one cluster."""
        return tuple(leftover for leftover in self.objects if leftover.cluster == cluster)


def named(cluster: str) -> bool:
    """Whether a word can be a cluster's name; a mark with anything else is not ours."""
    return _NAME.fullmatch(cluster) is not None


def orphans(by_server: Mapping[str, Leftovers], at_work: Iterable[str]) -> dict[str, str]:
    """Return every cluster with the reason why it is kept; an orphan has none.

    A run works on those `at_work` now.
    """
    known = frozenset().union(*(here.addresses for here in by_server.values()))
    objects = (leftover for here in by_server.values() for leftover in here.objects)
    clusters = sorted({leftover.cluster for leftover in objects})
    return {name: _kept(name, by_server, frozenset(at_work), known) for name in clusters if name}


def _kept(
    name: str,
    by_server: Mapping[str, Leftovers],
    at_work: frozenset[str],
    known: frozenset[Address],
) -> str:
    ends = (here.far.get(name, frozenset()) for here in by_server.values())
    away = frozenset().union(*ends) - known
    records = [server for server, here in by_server.items() if name in here.records]
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
    name, size = next((unit for unit in units if seconds >= unit[1]), ("s", 1))
    return f"{max(0, int(seconds // size))} {name}"
