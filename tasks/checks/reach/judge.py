"""What guests reach of each other: by ICMP at the exact MTU, by TCP, at MPI's ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from farswitch.errors import FarswitchError
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from tasks.checks.mtu.hops import Hop, explain
from tasks.checks.reach.visit import PAYLOAD, Contact, Visit

NAMES = ("mtu.exact", "reach.icmp", "reach.tcp", "reach.mpi_ports")


@dataclass(frozen=True, slots=True)
class PairContext:
    """What explains and mends: the MTU, all hops, the build, and the end of a tunnel's offload.

    `hops` are by the guest whose packets they carry: a pair asks for those of two of many.
    `faults` are failed checks of guests, by their names: what mends one mends its pairs.
    """

    mtu: int
    hops: Mapping[str | None, Sequence[Hop]]
    rebuild: str
    offload: str
    faults: Mapping[str, Check] = field(default_factory=dict)

    def of(self, *pair: Guest) -> PairContext:
        """Return what explains and mends one pair."""
        faults = {
            guest.name: self.faults[guest.name] for guest in pair if guest.name in self.faults
        }
        fixes = [one.fix for one in faults.values() if one.fix]
        return replace(self, faults=faults, rebuild=fixes[0] if fixes else self.rebuild)

    def between(self, *pair: Guest) -> Iterator[Hop]:
        """Yield the hops that the packets of a pair come through."""
        names = (*(guest.name for guest in pair), None)
        return (hop for name in names for hop in self.hops.get(name, ()))


def by_guest(hops: Iterable[Hop]) -> Mapping[str | None, Sequence[Hop]]:
    """Return hops by the guest whose packets they carry, None for everybody's."""
    found: defaultdict[str | None, list[Hop]] = defaultdict(list)
    for hop in hops:
        found[hop.guest].append(hop)
    return found


def judge(
    guest: Guest,
    others: Sequence[Guest],
    found: Visit | FarswitchError | None,
    view: PairContext,
    met: Collection[Guest],
) -> Iterator[Check]:
    """Yield the verdicts on one guest's way to each other one; by TCP to those that it met.

    `found` is None where it was not asked.
    """
    if found is None:
        yield from (skipped(name, guest.name, "it cannot be logged in to") for name in NAMES)
        return
    if isinstance(found, FarswitchError):
        for name in NAMES:
            yield Check(name, guest.name, ok=False, measured=f"not probed: {found}",
                        expected="a verdict for each other guest", fix=found.hint)  # fmt: skip
        return
    if not others:
        yield from (skipped(name, guest.name, "there is no other guest") for name in NAMES)
    for other in others:
        contact = found.peers.get(other.name)
        if contact is None:
            for name in NAMES:
                yield skipped(name, guest.name, f"'{other.name}' cannot be logged in to")
            continue
        pair = view.of(guest, other)
        yield _exact(guest, other, contact, pair)
        yield _icmp(guest, other, contact, pair)
        if other in met:
            yield _tcp(guest, other, contact, pair)
            yield _ports(guest, other, contact, pair)


def _exact(guest: Guest, other: Guest, one: Contact, view: PairContext) -> Check:
    mtu = view.mtu
    fits = f"{mtu} B {_passes(one.exact)}"
    if one.icmp and not one.exact:
        refused = f" ({one.error})" if one.error else ""
        fits += f"{refused}, the largest that does has {one.largest} B"
    good = one.exact and not one.more
    why = None if good else explain(view.between(guest, other))
    if not one.icmp:
        cause = "Nothing passes, whatever its size: see 'reach.icmp'."
    elif one.more:
        cause = f"A NIC is larger than {mtu}: what it sends gets lost where a hop is not."
    elif why:
        cause = f"The narrowest hop is the {why.what} on '{why.host}' with MTU {why.found}."
    else:
        cause = "No hop's MTU explains it: a device between the servers, or in a guest, drops them."
    return Check(
        name="mtu.exact",
        host=guest.name,
        ok=good,
        measured=f"to {other.name}: {fits}, {mtu + 1} B {_passes(one.more)}",
        expected=f"to {other.name}: {mtu} B passes, {mtu + 1} B does not pass",
        cause=cause,
        fix=why.fix if why and one.icmp else view.rebuild,
    )


def _icmp(guest: Guest, other: Guest, one: Contact, view: PairContext) -> Check:
    refused = f" ({one.error})" if one.error and not one.icmp else ""
    said = [f"'{fault.name}' of '{name}' failed: {fault.measured}." for name, fault in
            view.faults.items()]  # fmt: skip
    return Check(
        name="reach.icmp",
        host=guest.name,
        ok=one.icmp,
        measured=f"to {other.name}: {'answers' if one.icmp else f'no answer{refused}'}",
        expected=f"to {other.name}: answers",
        cause=" ".join(said)
        or "A tunnel or port of one of the two is down or wrong, a rule drops its packets, or the "
        "network of a guest was changed: what failed in 'server', 'tunnel', 'guest' and "
        "'reach.tunnel' says which.",
        fix=view.rebuild,
    )


def _tcp(guest: Guest, other: Guest, one: Contact, view: PairContext) -> Check:
    fix = view.rebuild
    if not one.icmp:
        cause = "Nothing passes between the two: see 'reach.icmp'."
    elif not one.exact:
        cause = "Full packets do not pass, small ones do: see 'mtu.exact'."
    elif not any(why == "" for why in one.ports.values()):
        cause = f"No connection opens: a rule in '{other.name}' drops TCP, see 'guest.firewall'."
    else:
        cause = (
            "Ping works and TCP does not, so the usual cause is checksum offload: a NIC does not "
            "fill in the checksum inside of the tunnel. Off, the kernel does (needs ethtool)."
        )
        fix = view.offload
    return Check(
        name="reach.tcp",
        host=guest.name,
        ok=one.tcp == "",
        measured=f"to {other.name}: {one.tcp or f'{PAYLOAD} B arrived intact'}",
        expected=f"to {other.name}: {PAYLOAD} B arrived intact",
        cause=cause,
        fix=fix,
    )


def _ports(guest: Guest, other: Guest, one: Contact, view: PairContext) -> Check:
    closed = ", ".join(f"{port} ({why})" for port, why in one.ports.items() if why)
    names = ", ".join(one.ports)
    return Check(
        name="reach.mpi_ports",
        host=guest.name,
        ok=bool(one.ports) and not closed,
        measured=f"to {other.name}: {f'closed: {closed}' if closed else f'{names} open'}",
        expected=f"to {other.name}: {names} open",
        cause=f"A rule in '{other.name}' drops MPI's ports, see 'guest.firewall'."
        if one.icmp
        else "Nothing passes between the two: see 'reach.icmp'.",
        fix=view.rebuild,
    )


def _passes(answer: object) -> str:
    return "passes" if answer else "does not pass"
