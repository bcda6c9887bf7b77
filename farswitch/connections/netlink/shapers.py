"""Queueing disciplines that impair what leaves an interface: requests as bytes, and what is there.

The requests are made here and sent by whoever carries them out: the session, or a program on the
server at a moment of its own clock. pyroute2 has neither netem's times in nanoseconds nor tbf's
burst in bytes, and `tc("del", "tbf")` of it raises a KeyError.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link, Session

ROOT = 0xFFFFFFFF
"""TC_H_ROOT of <linux/pkt_sched.h>."""
OURS = 0x46000000
"""The handle 4600: of a root that is ours; what is below it has the next ones."""
NEWQDISC, DELQDISC = 36, 37
REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400
KIND, OPTIONS = 1, 2
TICK = 64
"""Nanoseconds of the kernel's clock for packets (PSCHED_SHIFT of <net/pkt_sched.h>)."""
SPLITTING = 0xFFFFFFFE
"""The rate of a bucket that only splits frames, in bytes per second: the kernel's highest."""
_HEADER, _TCMSG = struct.Struct("=IHHII"), struct.Struct("=BxxxiIII")
_NETEM, _RATESPEC, _TBF = struct.Struct("=6I"), struct.Struct("=BBHhHI"), struct.Struct("=3I")
ETHERNET = 1
"""TC_LINKLAYER_ETHERNET: the kernel counts by itself, without a table of rates."""
MOST = 0xFFFFFFFF
"""Of the numbers of 32 bits by which netem knows a share."""


@dataclass(frozen=True, slots=True)
class Tbf:
    """A token bucket: `rate` in bytes per second, `burst` and `limit` in bytes.

    It splits what is longer than its burst and holds many frames (`tbf_segment` of the kernel).
    """

    rate: int
    burst: int
    limit: int


@dataclass(frozen=True, slots=True)
class Netem:
    """A network emulator: times in nanoseconds, shares in millionths, `limit` in packets."""

    delay: int = 0
    jitter: int = 0
    loss: int = 0
    duplicate: int = 0
    corrupt: int = 0
    reorder: int = 0
    limit: int = 1000


Shaper = Tbf | Netem


@dataclass(frozen=True, slots=True)
class RootQdisc:
    """What is at an interface's root, and where it is ours, the chain below it."""

    kind: str
    handle: int
    shapers: tuple[Shaper, ...] = ()

    @property
    def ours(self) -> bool:
        return self.handle == OURS


def added(index: int, shapers: Iterable[Shaper]) -> list[bytes]:
    """Return the requests that put shapers on an interface, each below the one before."""
    requests, parent, handle = [], ROOT, OURS
    for shaper in shapers:
        kind, options = _encoded(shaper)
        message = _TCMSG.pack(0, index, handle, parent, 0)
        message += _attribute(KIND, kind + b"\0") + _attribute(OPTIONS, options)
        requests.append(_request(NEWQDISC, CREATE | EXCL, message))
        handle, parent = handle + 0x10000, handle | 1
    return requests


def removed(index: int) -> bytes:
    """Return the request that takes our root off an interface; the kernel refuses another one."""
    return _request(DELQDISC, 0, _TCMSG.pack(0, index, OURS, ROOT, 0))


def roots(ipr: Session, links: Collection[Link]) -> dict[str, RootQdisc]:
    """Read what is at the roots of interfaces, but for what the kernel put there by itself."""
    names = {link.index: link.name for link in links}
    found: dict[str, RootQdisc] = {}
    below: dict[str, list[tuple[int, Shaper]]] = {}
    for message in list(ipr.tc("dump")):
        name, handle = names.get(message["index"]), message["handle"]
        if name is None or not handle:
            continue
        kind, options = message.get("kind"), message.get_attr("TCA_OPTIONS")
        if message["parent"] == ROOT:
            found[name] = RootQdisc(kind, handle)
        if handle & 0xFF000000 == OURS and kind in {"tbf", "netem"}:
            below.setdefault(name, []).append((handle, _decoded(kind, options)))
    return {
        name: RootQdisc(
            root.kind, root.handle, tuple(one for _, one in sorted(below.get(name, []), key=_first))
        )
        for name, root in found.items()
    }


def _first(pair: tuple[int, Shaper]) -> int:
    return pair[0]


def _encoded(shaper: Shaper) -> tuple[bytes, bytes]:
    if isinstance(shaper, Tbf):
        rate = _RATESPEC.pack(0, ETHERNET, 0, 0, 0, shaper.rate)
        parameters = rate + bytes(_RATESPEC.size) + _TBF.pack(shaper.limit, 0, 0)
        return b"tbf", _attribute(1, parameters) + _attribute(6, struct.pack("=I", shaper.burst))
    values = _NETEM.pack(
        min(shaper.delay // TICK, MOST), shaper.limit, _share(shaper.loss),
        1 if shaper.reorder else 0, _share(shaper.duplicate), min(shaper.jitter // TICK, MOST),
    )  # fmt: skip
    if shaper.reorder:
        values += _attribute(3, struct.pack("=II", _share(shaper.reorder), 0))
    if shaper.corrupt:
        values += _attribute(4, struct.pack("=II", _share(shaper.corrupt), 0))
    values += _attribute(10, struct.pack("=q", shaper.delay))
    return b"netem", values + _attribute(11, struct.pack("=q", shaper.jitter))


def _decoded(kind: str, options: object) -> Shaper:
    """Return a shaper as the kernel has it; pyroute2 decodes its options."""
    get = options.get_attr  # type: ignore[attr-defined]
    if kind == "tbf":
        parameters = get("TCA_TBF_PARMS")
        return Tbf(parameters["rate"], 0, parameters["limit"])
    values: dict[str, int] = options  # type: ignore[assignment]
    reorder, corrupt = get("TCA_NETEM_REORDER") or {}, get("TCA_NETEM_CORRUPT") or {}
    return Netem(
        delay=values["delay"] * TICK,
        jitter=values["jitter"] * TICK,
        loss=_millionths(values["loss"]),
        duplicate=_millionths(values["duplicate"]),
        corrupt=_millionths(corrupt.get("prob_corrupt", 0)),
        reorder=_millionths(reorder.get("prob_reorder", 0)),
        limit=values["limit"],
    )


def _share(millionths: int) -> int:
    return round(MOST * millionths / 1_000_000)


def _millionths(share: int) -> int:
    return round(share * 1_000_000 / MOST)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _request(kind: int, flags: int, message: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(message), kind, REQUEST | ACK | flags, 0, 0) + message
