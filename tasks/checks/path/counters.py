"""Did every pair's bytes cross the switch, once, and by no other way? Judged by counters alone."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from operator import attrgetter

from farswitch.connections.shell.base import Shell
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check
from farswitch.proof.pairing import Meetings
from farswitch.remote import shell_command

MANAGEMENT_FLOOR, MANAGEMENT_SHARE = 50_000, 0.01
"""What management may carry: bytes for steering the job, and of the payload that share at most."""
ONCE_FLOOR, ONCE_SHARE = 50_000, 1.4
"""What a port may count in a round for its payload: headers and acknowledgements are 8 % of it at
an MTU of 1450, retransmissions come on top; what crosses twice counts more than double, and what is
flooded half as much again at least."""
HEADERS = 20 + 20
"""Bytes of IPv4 and TCP without options (RFC 791, RFC 9293): each frame has them beside payload."""


@dataclass(frozen=True, slots=True)
class Count:
    """Bytes that an interface received and sent, and how many frames they were."""

    received: int = 0
    sent: int = 0
    frames_in: int = 0
    frames_out: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*map(operator.add, astuple(self), astuple(other)))

    def __sub__(self, earlier: Count) -> Count:
        return Count(*map(operator.sub, astuple(self), astuple(earlier)))

    def turned(self) -> Count:
        """Return it as the other end of a pair has it."""
        return Count(self.sent, self.received, self.frames_out, self.frames_in)

    @property
    def total(self) -> int:
        return self.received + self.sent


Counts = Mapping[str, Count]
"""What interfaces counted, by name."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was counted at one time, by interface: on the switch, and on the hypervisors."""

    switch: Counts
    hypervisors: Counts

    def __sub__(self, earlier: Reading) -> Reading:
        return Reading(
            growth(earlier.switch, self.switch), growth(earlier.hypervisors, self.hypervisors)
        )


@dataclass(frozen=True, slots=True)
class Transfer:
    """A known number of bytes that one guest sent another, and what was counted meanwhile."""

    sender: Guest
    receiver: Guest
    size: int
    counted: Reading

    @property
    def into(self) -> int:
        """Bytes that came into the switch from the sender, without headers."""
        port = self.counted.switch[self.sender.tunnel]
        return port.received - HEADERS * port.frames_in

    @property
    def out(self) -> int:
        """Bytes that left the switch to the receiver, without headers."""
        port = self.counted.switch[self.receiver.tunnel]
        return port.sent - HEADERS * port.frames_out

    @property
    def crossed(self) -> int:
        """Bytes of payload that the switch is sure to have seen."""
        return min(self.size, self.into, self.out)


@dataclass(frozen=True, slots=True)
class CountedTransfers:
    """All transfers, what was counted over all of them, and what the guests' data NICs say."""

    transfers: Sequence[Transfer]
    counted: Reading
    nics: Counts


def read(login: Shell, names: Sequence[str]) -> dict[str, Count]:
    """Read the counters of interfaces of a host; one that is not there is an error."""
    said = login.run(shell_command("nic_counters", *names)).stdout
    fields = (line.split() for line in said.splitlines())
    return {name: Count(*map(int, numbers)) for name, *numbers in fields}


def growth(before: Counts, after: Counts) -> dict[str, Count]:
    """Return what each interface counted in between."""
    return {name: after[name] - before[name] for name in after}


def judge(
    cluster: Cluster,
    guests: Sequence[Guest],
    met: Iterable[tuple[Guest, Guest]],
    traffic: CountedTransfers,
    fix: str,
) -> Iterator[Check]:
    """Yield the verdicts: per ordered pair whether all crossed, per guest whether once, where.

    `met` are sender and receiver of all transfers that were to be made, each once or twice.
    """
    sent: dict[tuple[str, str], Transfer] = {}
    for one in traffic.transfers:
        key = one.sender.name, one.receiver.name
        sent[key] = min(sent.get(key, one), one, key=attrgetter("crossed"))
    for first, second in met:
        yield _crossed(cluster, sent.get((first.name, second.name)), first, second, fix)
    for guest in guests:
        payload = sum(
            one.size
            for one in traffic.transfers
            if guest.name in (one.sender.name, one.receiver.name)
        )
        yield _once(cluster, guest, payload, traffic, fix)
        yield _nics(guest, payload, traffic, fix)
        yield _management(guest, payload, traffic, fix)


def conclude(
    cluster: Cluster,
    guests: Sequence[Guest],
    traffic: CountedTransfers,
    meetings: Meetings,
    left: Sequence[str] = (),
) -> str:
    """Return the sentence that verify ends with: how many pairs of all, and who took no part."""
    wanted = sum(one.size for one in traffic.transfers)
    crossed = sum(one.crossed for one in traffic.transfers)
    management = sum(traffic.counted.hypervisors[guest.management_tap].total for guest in guests)
    return (
        f"{crossed:,} of {wanted:,} payload bytes between {len(guests)} nodes "
        f"{'' if meetings.made == meetings.possible else f'({meetings}) '}crossed switch "
        f"'{cluster.switch.name}'; management carried {management / 1e3:,.1f} kB."
        + (f" Left out: {', '.join(left)}." if left else "")
    )


def _crossed(
    cluster: Cluster, sent: Transfer | None, first: Guest, second: Guest, fix: str
) -> Check:
    if sent is None or sent.size == 0:
        measured = f"to {second.name}: nothing was sent"
    else:
        measured = (
            f"to {second.name}: {sent.into:,} B into {first.tunnel}, "
            f"{sent.out:,} B out of {second.tunnel} of '{cluster.switch.name}'"
        )
    size = sent.size if sent else 0
    return Check(
        name="path.counters",
        host=first.name,
        ok=sent is not None and size > 0 and sent.crossed == size,
        measured=measured,
        expected=f"to {second.name}: all of {size:,} B of payload through both ports",
        cause="The payload went another way: MPI is not pinned to data0, or a way past the switch "
        "is open.",
        fix=fix,
    )


def _once(
    cluster: Cluster, guest: Guest, payload: int, traffic: CountedTransfers, fix: str
) -> Check:
    total = traffic.counted.switch[guest.tunnel].total
    counted, bound = _worst_round(guest, traffic.transfers)
    return Check(
        name="path.once",
        host=guest.name,
        ok=total > 0 and counted <= bound,
        measured=f"port {guest.tunnel} of '{cluster.switch.name}' counted {total:,} B "
        f"for {payload:,} B, in its worst round {counted:,} B",
        expected=f"at most {bound:,} B in that round",
        cause="Frames cross the switch twice or are flooded to ports that they are not for: a loop "
        "behind a port, a wrong entry in the switch's FDB, or a switch that doubles them. "
        "Other traffic of the guests counts too: let it end first.",
        fix=fix,
    )


def _worst_round(guest: Guest, transfers: Iterable[Transfer]) -> tuple[int, int]:
    """Return what a guest's port counted in the round that is worst for it, and its bound there.

    The transfers of a round have one reading: also what the port counts while its guest pauses.
    """
    rounds: dict[int, tuple[Reading, int]] = {}
    for one in transfers:
        own = one.size if guest.name in (one.sender.name, one.receiver.name) else 0
        counted, payload = rounds.get(id(one.counted), (one.counted, 0))
        rounds[id(one.counted)] = counted, payload + own
    judged = (
        (counted.switch[guest.tunnel].total, ONCE_FLOOR + int(payload * ONCE_SHARE))
        for counted, payload in rounds.values()
    )
    return max(judged, key=lambda one: one[0] - one[1], default=(0, ONCE_FLOOR))


def _nics(guest: Guest, payload: int, traffic: CountedTransfers, fix: str) -> Check:
    half = payload // 2
    nic = traffic.nics.get(guest.name, Count())
    tunnel = traffic.counted.hypervisors[guest.tunnel]
    least = min(nic.received, nic.sent, tunnel.received, tunnel.sent)
    return Check(
        name="path.nics",
        host=guest.name,
        ok=0 < half <= least,
        measured=f"data0 {nic.received:,} B in, {nic.sent:,} B out; tunnel {guest.tunnel} of "
        f"'{guest.hypervisor}' {tunnel.received:,} B in, {tunnel.sent:,} B out",
        expected=f"at least {half:,} B each way in both",
        cause="The payload used another NIC than data0.",
        fix=fix,
    )


def _management(guest: Guest, payload: int, traffic: CountedTransfers, fix: str) -> Check:
    carried = traffic.counted.hypervisors[guest.management_tap].total
    bound = MANAGEMENT_FLOOR + int(payload * MANAGEMENT_SHARE)
    return Check(
        name="path.management",
        host=guest.name,
        ok=payload > 0 and carried <= bound,
        measured=f"{guest.management_tap} carried {carried:,} B",
        expected=f"at most {bound:,} B while {payload:,} B of payload went",
        cause="Payload uses mgmt0.",
        fix=fix,
    )
