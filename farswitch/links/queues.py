"""Whether an interface hands on what it gets as the kernel does by itself, at full speed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link, Session, dump
from farswitch.connections.netlink.queues import HOOKS, Qdisc, qdiscs

UNSHAPED = frozenset(
    {
        "noqueue", "mq", "mqprio", "prio", "pfifo", "bfifo", "pfifo_fast", "fq_codel", "fq", "sfq",
        "codel", "fq_pie", "hhf", "ets", "drr",
    }
)  # fmt: skip
"""Kinds that share a device and hold nothing back: people tune the servers' own devices so."""
BY_LENGTH = frozenset({"pfifo_fast", "pfifo"})
"""Kinds whose limit is the interface's `txqueuelen`; others have one of their own."""
DECLARED = range(0x4600, 0x4700)
"""Handles of the impairments that somebody asked farswitch for."""
SHORT, LENGTH = 100, 1000
"""Packets that a queue holds: below the first, bursts are dropped; the kernel's default."""


@dataclass(frozen=True, slots=True)
class QueueFault:
    """What holds an interface's packets back or drops them, and what takes it away."""

    device: str
    text: str
    repair: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueState:
    """The interfaces of a host, and the queueing disciplines of all of them."""

    links: Sequence[Link]
    qdiscs: Sequence[Qdisc]

    @classmethod
    def read(cls, ipr: Session) -> QueueState:
        """Read a host."""
        links = dump(ipr)
        return cls(links, qdiscs(ipr, links))

    def there(self, names: Collection[str]) -> list[str]:
        """Return those of some interfaces that the host has."""
        return [link.name for link in self.links if link.name in names]

    def faults(self, names: Collection[str], *, ours: bool) -> Iterator[QueueFault]:
        """Yield what is wrong of some interfaces.

        On those that are `ours` nobody has to attach anything. Servers' own devices may be tuned,
        and have programs (BPF) that nobody can judge by their kind.
        """
        for link in self.links:
            if link.name not in names:
                continue
            attached = [one for one in self.qdiscs if one.device == link.name]
            for one in attached:
                if one.kind in HOOKS:
                    yield from _of_filters(one, ours=ours)
                elif ours and one.handle in DECLARED:
                    continue
                elif one.handle and one.kind not in (UNSHAPED if not ours else {"noqueue"}):
                    said = f"its queueing discipline is '{one.kind}' ({one.handle:x}:)"
                    yield QueueFault(link.name, said, _tc("qdisc", link.name, "root"))
            waits = any(one.kind in BY_LENGTH for one in attached)
            if waits and link.queue_length < SHORT:
                said = f"its queue holds {link.queue_length} packets"
                repair = ("ip", "link", "set", "dev", link.name, "txqueuelen", str(LENGTH))
                yield QueueFault(link.name, said, repair)


def _of_filters(hook: Qdisc, *, ours: bool) -> Iterator[QueueFault]:
    filters = [one for one in hook.filters if ours or one.kind != "bpf"]
    said = ", ".join(f"'{one.kind}' at its {one.direction}" for one in filters)
    if ours:
        text = f"it has the filters {said}" if said else f"it has a '{hook.kind}' for filters"
        yield QueueFault(hook.device, text, _tc("qdisc", hook.device, hook.kind))
        return
    for one in filters:
        text = f"it has the filter '{one.kind}' at its {one.direction}"
        repair = _tc("filter", hook.device, one.direction, "pref", str(one.priority))
        yield QueueFault(hook.device, text, repair)


def _tc(what: str, device: str, *words: str) -> tuple[str, ...]:
    return ("tc", what, "del", "dev", device, *words)
