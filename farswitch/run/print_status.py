"""What stands, for people as a table, and for programs as a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Protocol

from rich import box
from rich.filesize import decimal, pick_unit_and_suffix
from rich.table import Column, Table

from farswitch.connections.netlink.links import Traffic
from farswitch.run.terminal import shown
from farswitch.status.guests import RUNNING, UP, GuestStatus
from farswitch.status.path import PathHop

WIDE = 110
"""Columns of a terminal from which on addresses and tunnels fit, too."""
_SPEEDS = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]


class Counters(Protocol):
    """What has counters, read at a time in seconds of the monotonic clock."""

    @property
    def name(self) -> str: ...
    @property
    def traffic(self) -> Traffic | None: ...
    @property
    def at(self) -> float | None: ...


Rates = Mapping[str, float]
"""Bits and packets a second, by "received", "sent", "received_packets" and "sent_packets"."""


def rates(now: Counters, before: Counters | None) -> Rates:
    """Return what was counted between two looks, a second; nothing where one has no counters.

    Counters that fell are those of an interface that was made anew.
    """
    if before is None or not (now.traffic and before.traffic and now.at and before.at):
        return {}
    grown, seconds = now.traffic - before.traffic, now.at - before.at
    if seconds <= 0 or min(grown.received, grown.sent) < 0:
        return {}
    return {
        "received": 8 * grown.received / seconds,
        "received_packets": grown.received_packets / seconds,
        "sent": 8 * grown.sent / seconds,
        "sent_packets": grown.sent_packets / seconds,
    }


def document(one: GuestStatus | PathHop, before: Counters | None = None) -> dict[str, Any]:
    """Return a guest or a hop as it stands, with its rates since an earlier look."""
    fields = {name: value for name, value in asdict(one).items() if name != "at"}
    extra = {"ok": one.ok} if isinstance(one, GuestStatus) else {}
    return fields | extra | ({"rates": found} if (found := rates(one, before)) else {})


def guests_table(
    guests: Sequence[GuestStatus], before: Mapping[str, Counters], *, width: int
) -> Table:
    """Return a row a guest: what the switch received from it and sent to it, or how fast."""
    wide = width >= WIDE
    places = ("VNI", "Management", "Data") if wide else ()
    figures = ("MTU", "Up for", "From guest", "To guest", "CPU", "Memory")
    table = _table("Guest", "State", "Port", *places, figures=figures)
    for guest in guests:
        used = "" if guest.processor is None else f"{guest.processor:.0f} s"
        table.add_row(
            shown(guest.name),
            shown(guest.state, style=_style(good=guest.state == RUNNING)),
            shown(guest.port, style=_style(good=guest.port == UP)),
            *((str(guest.vni), guest.management_address, guest.data_address) if wide else ()),
            _figure(guest.mtu),
            "" if guest.uptime is None else str(timedelta(seconds=guest.uptime)),
            *_ways(guest, before.get(guest.name)),
            used,
            "" if guest.memory is None else decimal(guest.memory),
        )
    return table


def hops_table(hops: Iterable[PathHop], before: Mapping[str, Counters]) -> Table:
    """Return a row a hop of one guest's frames."""
    table = _table(
        "Server", "Hop", "Interface", "State",
        figures=("MTU", "From guest", "To guest", "Dropped"),
    )  # fmt: skip
    for hop in hops:
        table.add_row(
            shown(hop.server),
            hop.what,
            shown(f"{hop.name}, shared" if hop.shared else hop.name),
            shown(hop.state, style=_style(good=hop.state == UP)),
            _figure(hop.mtu),
            *_ways(hop, before.get(f"{hop.server} {hop.name}")),
            _figure(hop.traffic.dropped if hop.traffic else None),
        )
    return table


def _table(*titles: str, figures: Sequence[str]) -> Table:
    columns = (Column(title, justify="right") for title in figures)
    return Table(*titles, *columns, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))


def _ways(now: Counters, before: Counters | None) -> tuple[str, str]:
    """Return both ways: how fast since the look before, or how much in all."""
    if found := rates(now, before):
        return speed(found["received"]), speed(found["sent"])
    if now.traffic is None:
        return "", ""
    return decimal(now.traffic.received), decimal(now.traffic.sent)


def speed(bits: float) -> str:
    """Return bits a second in their largest unit."""
    unit, suffix = pick_unit_and_suffix(int(bits), _SPEEDS, 1000)
    return f"{bits / unit:.1f} {suffix}"


def _figure(value: int | None) -> str:
    return "" if value is None else str(value)


def _style(*, good: bool) -> str:
    return "green" if good else "red"
