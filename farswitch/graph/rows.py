"""What a picture of a cluster shows: a row a guest, or a row a range of guests that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import groupby, pairwise

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.model.node_names import fold
from farswitch.status.guests import RUNNING, UNKNOWN, UP, guest_statuses
from farswitch.status.observed import ServerLook
from farswitch.status.path import hops

MOST_ROWS = 12
"""Guests up to which each has a row of its own."""
RANGES = 8
"""Rows that more of them are shown in, and one more for each that stands out."""


@dataclass(frozen=True, slots=True)
class RowState:
    """Of a guest and of what its frames pass; empty where nobody looked."""

    guest: str = ""
    tap: str = ""
    bridge: str = ""
    tunnel: str = ""
    port: str = ""


@dataclass(frozen=True, slots=True)
class GuestRow:
    """Guests of one hypervisor that follow each other, all in the same state."""

    guests: tuple[Guest, ...]
    state: RowState

    @property
    def name(self) -> str:
        """Their node set, as `node[1-8]`."""
        return fold(one.name for one in self.guests)

    @property
    def tap(self) -> str:
        return self._through(self.guests[0].data_tap)

    @property
    def bridge(self) -> str:
        return self._through(self.guests[0].bridge)

    @property
    def tunnel(self) -> str:
        return self._through(self.guests[0].tunnel)

    @property
    def vni(self) -> str:
        return _range(str(self.guests[0].vni), str(self.guests[-1].vni))

    def _through(self, first: str) -> str:
        """Return a name of the first guest's as that of all: they end with the VNI."""
        return first + self.vni.removeprefix(str(self.guests[0].vni))

    @property
    def data(self) -> str:
        """Their addresses of the data network."""
        return _addresses([one.data_address.ip for one in self.guests])

    @property
    def management(self) -> str:
        """Their addresses of the management network."""
        return _addresses([one.management_address.ip for one in self.guests])


def good(state: str) -> bool | None:
    """Tell whether a state is as it should be; None where nobody knows."""
    return None if state in {"", UNKNOWN} else state in {RUNNING, UP}


def states(cluster: Cluster, looks: Mapping[str, ServerLook] | None) -> dict[str, RowState]:
    """Return the state of each guest's row, from the looks at the servers that answered."""
    if looks is None:
        return {guest.name: RowState() for guest in cluster.guests}
    found = {}
    for status in guest_statuses(cluster, looks):
        way = hops(cluster, cluster.guest(status.name), looks)
        seen = {hop.what: hop.state for hop in way}
        found[status.name] = RowState(
            status.state, seen["tap"], seen["bridge"], seen["tunnel"], status.port
        )
    return found


def rows(cluster: Cluster, hypervisor: str, states: Mapping[str, RowState]) -> tuple[GuestRow, ...]:
    """Return the rows of a hypervisor: one a guest, or where there are many one a range."""
    guests = cluster.guests_of(hypervisor)
    if len(cluster.guests) <= MOST_ROWS:
        return tuple(GuestRow((guest,), states[guest.name]) for guest in guests)
    size = -(-len(cluster.guests) // RANGES)
    return tuple(
        GuestRow(part, state)
        for state, alike in groupby(guests, lambda guest: states[guest.name])
        for run in _consecutive(list(alike))
        for part in _parts(run, size)
    )


def _consecutive(guests: Sequence[Guest]) -> Iterator[Sequence[Guest]]:
    """Yield the runs of guests whose numbers follow each other."""
    start = 0
    for at in range(1, len(guests) + 1):
        if at == len(guests) or guests[at].index != guests[at - 1].index + 1:
            yield guests[start:at]
            start = at


def _parts(guests: Sequence[Guest], size: int) -> Iterator[tuple[Guest, ...]]:
    """Yield as few parts of at most `size` guests as can be, all of about the same length."""
    count = -(-len(guests) // size)
    edges = [len(guests) * at // count for at in range(count + 1)]
    yield from (tuple(guests[start:end]) for start, end in pairwise(edges))


def _addresses(found: Sequence[IPv4Address]) -> str:
    first, last = str(found[0]), str(found[-1])
    same = first.rpartition(".")[0] == last.rpartition(".")[0]
    return _range(first, last.rpartition(".")[2] if same and first != last else last)


def _range(first: str, last: str) -> str:
    return first if first == last else f"{first}-{last}"
