"""The picture as SVG: where everything is; how it looks stands in the template."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farswitch.graph.picture import Picture, PicturedServer
from farswitch.graph.rows import GuestRow, good
from farswitch.templates import render_template

PITCH, BOX, SMALL_BOX = 84, 66, 46
"""Heights in pixels: from row to row, of a guest's box, of an interface's."""
TOP, HEAD, FOOT, GAP, MARGIN = 20, 88, 76, 24, 20
"""In pixels: above the servers, within one above and below its rows, between them, at the sides."""
LANES = 44
"""Pixels for the lines of management, left of the guests."""
WIDE, NARROW = 8.4, 7.4
"""Pixels a character takes: of bold text, and of addresses and interfaces."""
COLOURS = "abc"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with up to three lines of text; `style` is its class."""

    x: float
    y: float
    width: float
    height: float
    name: str
    lines: tuple[str, ...] = ()
    state: str = ""
    style: str = ""

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Wire:
    """A piece of the way of a row's frames, at one height."""

    start: float
    end: float
    style: str


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row where it is drawn; `y` is its middle."""

    row: GuestRow
    y: float
    guest: Box
    bridge: Box
    tunnel: Box
    port: Box
    wires: tuple[Wire, ...]
    lane: float
    tap: str


@dataclass(frozen=True, slots=True)
class PlacedServer:
    """A hypervisor where it is drawn, its rows, and its management bridge."""

    server: PicturedServer
    box: Box
    rows: tuple[PlacedRow, ...]
    management: Box


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns are, from left to right, and the width of the whole."""

    guest: float
    bridge: float
    tunnel: float
    pipe: float
    switch: float
    port: float
    shared: float
    end: float
    guest_width: float
    link_width: float
    tap_width: float

    @property
    def width(self) -> float:
        return self.end + MARGIN


def columns(rows: Iterable[GuestRow], picture: Picture) -> Columns:
    """Return columns that are as wide as the longest text in them."""
    rows = list(rows)
    guest_width = max(
        _widest([title(row) for row in rows], WIDE, 110),
        _widest([text for row in rows for text in (row.data, row.management)], NARROW),
    )
    words = [row.bridge for row in rows]
    words += [state for row in rows for state in (row.state.bridge, row.state.tunnel)]
    words += [row.state.port for row in rows]
    link_width = _widest(words, NARROW, 76)
    tap_width = _widest([row.tap for row in rows] + [row.state.tap for row in rows], NARROW, 62)
    guest = MARGIN + LANES + 16
    bridge = guest + guest_width + tap_width
    tunnel = bridge + link_width + 36
    pipe = tunnel + link_width + 16
    ends = max(len(place(one)) for one in picture.hypervisors) + len(place(picture.switch))
    switch = pipe + max(190.0, ends * NARROW + 36)
    port = switch + 36
    shared = port + link_width + 44
    end = shared + max(110, _widest([picture.switch.bridge], WIDE)) + 24
    return Columns(
        guest, bridge, tunnel, pipe, switch, port, shared, end, guest_width, link_width, tap_width
    )


def title(row: GuestRow) -> str:
    """Return a row's name, with its state where that is not as it should be."""
    return row.name if good(row.state.guest) is not False else f"{row.name}: {row.state.guest}"


def place(server: PicturedServer) -> str:
    """Return a server's place on the underlay."""
    return f"{server.device} {server.address}".strip()


def style(state: str, number: int) -> str:
    """Return the class of what is in a state; where nobody looked a colour for each row in turn."""
    if not state:
        return COLOURS[number % len(COLOURS)]
    return {True: "up", False: "bad", None: "unknown"}[good(state)]


def render(picture: Picture) -> str:
    """Return the picture as an SVG document."""
    at = columns(picture.switch.rows, picture)
    top, number = float(TOP), 0
    placed: list[PlacedServer] = []
    for server in picture.hypervisors:
        placed.append(_server(server, at, top, number))
        number += len(server.rows)
        top = placed[-1].box.bottom + GAP
    bottom = placed[-1].box.bottom
    rows = [row for one in placed for row in one.rows]
    far = Box(at.switch, TOP, at.end - at.switch, bottom - TOP, picture.switch.name)
    first, last = (rows[0].port, rows[-1].port) if rows else (far, far)
    shared = Box(
        at.shared, first.y, at.end - 24 - at.shared, last.bottom - first.y, picture.switch.bridge,
        state=picture.switch.state, style=style(picture.switch.state, 0) if picture.live else "",
    )  # fmt: skip
    return render_template(
        "graph/picture.svg.j2",
        picture=picture, at=at, servers=placed, far=far, shared=shared, place=place, good=good,
        pair=[guest for row in picture.switch.rows for guest in row.guests][:2],
        height=bottom + (70 if picture.live else 48),
    )  # fmt: skip


def _server(server: PicturedServer, at: Columns, top: float, number: int) -> PlacedServer:
    middles = [top + HEAD + BOX / 2 + PITCH * one for one in range(len(server.rows))]
    height = HEAD + PITCH * max(1, len(server.rows)) + FOOT
    box = Box(MARGIN, top, at.pipe - MARGIN, height, server.name)
    step = min(10.0, LANES / max(1, len(server.rows)))
    rows = tuple(
        _row(row, at, y, number + count, MARGIN + 14 + step * count)
        for count, (row, y) in enumerate(zip(server.rows, middles, strict=True))
    )
    width = max(150.0, len(server.bridge) * WIDE + 24)
    management = Box(
        MARGIN + 8, box.bottom - FOOT + 14, width, 46, server.bridge, state=server.state,
        style=style(server.state, 0) if server.state else "",
    )  # fmt: skip
    return PlacedServer(server, box, rows, management)


def _row(row: GuestRow, at: Columns, y: float, number: int, lane: float) -> PlacedRow:
    state = row.state

    def link(x: float, name: str, found: str) -> Box:
        shown = "" if good(found) is not False else found
        return Box(x, y - SMALL_BOX / 2, at.link_width, SMALL_BOX, name, state=shown,
                   style=style(found, number))  # fmt: skip

    guest = Box(
        at.guest, y - BOX / 2, at.guest_width, BOX, title(row), (row.data, row.management),
        style=style(state.guest, number),
    )  # fmt: skip
    bridge = link(at.bridge, row.bridge, state.bridge)
    tunnel, port = link(at.tunnel, row.tunnel, state.tunnel), link(at.port, row.tunnel, state.port)
    pieces = (
        (guest.right, bridge.x, state.tap),
        (bridge.right, tunnel.x, _worst(state.bridge, state.tunnel)),
        (tunnel.right, port.x, _worst(state.tunnel, state.port)),
        (port.right, at.shared, state.port),
    )
    wires = tuple(Wire(start, end, style(found, number)) for start, end, found in pieces)
    tap = state.tap if good(state.tap) is False else ""
    return PlacedRow(row, y, guest, bridge, tunnel, port, wires, lane, tap)


def _worst(*states: str) -> str:
    """Return the first state that is wrong, or unknown, or any."""
    return min(states, key=lambda state: {False: 0, None: 1, True: 2}[good(state)])


def _widest(texts: Iterable[str], each: float, least: float = 0) -> float:
    """Return the width of the longest text with some room at its sides, or the least one."""
    return max([least, *(len(text) * each + 24 for text in texts)])
