"""What Open vSwitch has on a server: its rows as values, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from farswitch.errors import Obstacle
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchState

MARK = "farswitch"
"""The key in `external_ids` of each row of ours: CLUSTER for a bridge, CLUSTER:GUEST for a port."""
INDEX = "farswitch-ifindex"
"""The key of the interface's number in the kernel when it was attached.

Open vSwitch's own column follows a device that was made anew under the same name, while its
socket stays with the old one, which is gone.
"""
START = (
    "Start it there: systemctl start openvswitch-switch (Debian, Ubuntu), or openvswitch (Fedora, "
    "RHEL)."
)
Row: TypeAlias = Mapping[str, Any]


class OvsReport(BaseModel):
    """What `openvswitch_state` prints; without the programs, nothing but `missing`.

    `kernel`: the kernel's datapath is wanted, and there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    missing: tuple[str, ...]
    running: bool = False
    refusal: str = ""
    version: str = ""
    silence: str = ""
    kernel: bool = False
    rows: dict[str, tuple[dict[str, Any], ...]] = {}
    links: dict[str, int] = {}
    differences: str = ""
    mistake: str = ""


@dataclass(frozen=True, slots=True)
class OvsPort:
    """A port of a bridge, and its interface.

    Attributes:
        mark: What says whose it is; empty where it is somebody else's.
        number: The OpenFlow port; less than 1 where the interface could not be opened.
        error: Why not.
        index: The kernel's number of the interface that was attached, 0 where nothing says it.
    """

    name: str
    mark: str = ""
    number: int = 0
    error: str = ""
    index: int = 0

    @property
    def opened(self) -> bool:
        return self.number > 0 and not self.error


@dataclass(frozen=True, slots=True)
class OvsBridge:
    """A bridge, without the port that bears its own name.

    Attributes:
        mark: The cluster whose it is; empty where it is somebody else's.
        controllers: Whether each is connected, by where it is.
    """

    name: str
    mark: str = ""
    datapath: str = ""
    fail_mode: str = ""
    in_band: bool = False
    controllers: Mapping[str, bool] = field(default_factory=dict)
    ports: tuple[OvsPort, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenVSwitchState(SwitchState):
    """What was found of Open vSwitch.

    Attributes:
        server: Where.
        obstacle: What keeps it from being a switch of ours at all.
        bridges: All of them, also those of others; of a daemon that is stopped, those that come
            back with it.
        links: The kernel's number of each interface.
        differences: How the flows differ from those of the site.
        version: Of the daemon that runs.
        tso: Whether it was told to take frames that are larger than the MTU.
    """

    server: str = ""
    obstacle: Obstacle | None = None
    bridges: tuple[OvsBridge, ...] = ()
    links: Mapping[str, int] = field(default_factory=dict)
    differences: str = ""
    version: str = ""
    tso: bool = False

    def bridge(self, name: str) -> OvsBridge | None:
        """Return the bridge of a name."""
        return next((bridge for bridge in self.bridges if bridge.name == name), None)

    def stale(self, port: OvsPort) -> bool:
        """Return whether a port's interface was made anew after it was attached."""
        return port.index != self.links.get(port.name, 0)


def parse_bridges(rows: Mapping[str, tuple[Row, ...]]) -> tuple[OvsBridge, ...]:
    """Return the bridges of tables as RFC 7047 writes them (section 5.1)."""
    tables = {
        table: {_value(row["_uuid"]): row for row in rows.get(table, ())}
        for table in ("Port", "Interface", "Controller")
    }
    return tuple(_bridge(row, tables) for row in rows.get("Bridge", ()))


def parse_tso(rows: Mapping[str, tuple[Row, ...]]) -> bool:
    """Return whether the database asks for userspace TSO."""
    return any(
        _value(row["other_config"]).get("userspace-tso-enable") == "true"
        for row in rows.get("Open_vSwitch", ())
    )


def is_of(mark: str, owner: Owner) -> bool:
    """Return whether a mark is an owner's."""
    return mark.partition(":")[0] == owner.cluster


def faults(server: str, bridge: OvsBridge, state: OpenVSwitchState) -> Iterator[str]:
    """Yield a sentence for each reason why a bridge does not forward."""
    for port in bridge.ports:
        guest = port.mark.partition(":")[2] or "nobody's"
        if not port.opened:
            why = port.error or "it has no OpenFlow port, and no error says why"
            yield f"Open vSwitch on '{server}' does not hold '{port.name}' ({guest}): {why}."
        elif port.mark and state.stale(port):
            yield (
                f"'{port.name}' ({guest}) on '{server}' was made anew, and Open vSwitch holds the "
                "one that is gone."
            )
    for target, connected in bridge.controllers.items():
        if not connected:
            yield f"Controller '{target}' of '{bridge.name}' on '{server}' is not connected."


def _bridge(row: Row, tables: Mapping[str, Mapping[str, Row]]) -> OvsBridge:
    controllers = [tables["Controller"][uuid] for uuid in _set(row["controller"])]
    ports = (tables["Port"][uuid] for uuid in _set(row["ports"]))
    return OvsBridge(
        name=row["name"],
        mark=_value(row["external_ids"]).get(MARK, ""),
        datapath=row["datapath_type"] or "system",
        fail_mode="".join(_set(row["fail_mode"])),
        in_band=_value(row["other_config"]).get("disable-in-band") != "true",
        controllers={one["target"]: one["is_connected"] for one in controllers},
        ports=tuple(
            _port(port, tables["Interface"])
            for port in sorted(ports, key=lambda port: str(port["name"]))
            if port["name"] != row["name"]
        ),
    )


def _port(row: Row, interfaces: Mapping[str, Row]) -> OvsPort:
    found = [interfaces[uuid] for uuid in _set(row["interfaces"])]
    mine = next((one for one in found if one["name"] == row["name"]), None)
    mark = _value(row["external_ids"]).get(MARK, "")
    if mine is None:  # a bond, whose interfaces have other names
        return OvsPort(row["name"], mark, number=1)
    (number, *_) = (*_set(mine["ofport"]), 0)
    index = _value(mine["external_ids"]).get(INDEX, "")
    return OvsPort(
        name=row["name"],
        mark=mark,
        number=number,
        error="".join(_set(mine["error"])),
        index=int(index) if index.isdecimal() else 0,
    )


def _value(value: Any) -> Any:
    """Return a value without the words that say its kind."""
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "map":
        return dict(content)
    return tuple(_value(one) for one in content) if kind == "set" else content


def _set(value: Any) -> tuple[Any, ...]:
    """Return the members of a set, of which one stands by itself."""
    plain = _value(value)
    return plain if isinstance(plain, tuple) else (plain,)
