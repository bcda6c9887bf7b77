"""An Open vSwitch bridge: what differs from what is wanted, as commands of ovs-vsctl; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.errors import FarswitchError, ForeignObjectError, ObstaclesError
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort
from farswitch.switches.ovs_state import (
    INDEX,
    MARK,
    OpenVSwitchState,
    OvsBridge,
    OvsPort,
    is_of,
)

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OvsChange:
    """A change, and how ovs-vsctl makes it.

    Attributes:
        line: What a plan prints.
        commands: Of the one transaction that makes the change.
        before: Of a transaction before that one: what is taken away and given again in one
            transaction, Open vSwitch does not touch.
        flows: All flows are to be replaced then, by ovs-ofctl.
    """

    line: str
    commands: tuple[Words, ...] = ()
    before: tuple[Words, ...] = ()
    flows: bool = False

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True, slots=True)
class WantedBridge:
    """The bridge of a cluster; `controller` is empty where there is none."""

    name: str
    datapath: str
    fail_mode: str
    controller: str
    ports: Sequence[SwitchPort]
    owner: Owner


def plan(have: OpenVSwitchState, want: WantedBridge) -> list[OvsChange]:
    """Compare what was found with what is wanted; without ports, nothing of the owner is.

    Raises:
        ObstaclesError: Open vSwitch cannot be the switch there.
        FarswitchError: It has something of the owner's, and cannot be asked to let go of it.
        ForeignObjectError: A bridge or a port that is not the owner's has a name of ours.
    """
    found = [bridge for bridge in have.bridges if is_of(bridge.mark, want.owner)]
    strays = [
        port
        for bridge in have.bridges
        if bridge not in found
        for port in bridge.ports
        if is_of(port.mark, want.owner)
    ]
    if have.obstacle and want.ports:
        raise ObstaclesError([have.obstacle])
    if have.obstacle and (found or strays):
        raise FarswitchError(have.obstacle.what, hint=have.obstacle.remedy)
    if want.ports:
        _refuse_foreign(have, want)
    kept = have.bridge(want.name) if want.ports else None
    gone = [_without(bridge) for bridge in found if bridge is not kept]
    gone += [OvsChange(f"- ovs port {port.name}", (("del-port", port.name),)) for port in strays]
    return [*gone, *(_wanted(have, want, kept) if want.ports else ())]


def _refuse_foreign(have: OpenVSwitchState, want: WantedBridge) -> None:
    devices = {port.device for port in want.ports}
    for bridge in have.bridges:
        if bridge.name == want.name and not is_of(bridge.mark, want.owner):
            hint = f"Remove it: ovs-vsctl del-br {bridge.name}; or choose another vni_base."
            raise ForeignObjectError("Open vSwitch bridge", bridge.name, have.server, hint=hint)
        for port in bridge.ports:
            ours = bridge.name == want.name or is_of(port.mark, want.owner)
            if port.name in devices and not ours:
                hint = f"Remove it: ovs-vsctl del-port {bridge.name} {port.name}"
                raise ForeignObjectError("Open vSwitch port", port.name, have.server, hint=hint)


def _without(bridge: OvsBridge) -> OvsChange:
    line = f"- ovs bridge {bridge.name} with {len(bridge.ports)} ports"
    return OvsChange(line, (("del-br", bridge.name),))


def _wanted(
    have: OpenVSwitchState, want: WantedBridge, bridge: OvsBridge | None
) -> Iterator[OvsChange]:
    if bridge is None:
        yield _add_bridge(want)
    else:
        yield from _settings(bridge, want)
    ports = {port.name: port for port in bridge.ports} if bridge else {}
    devices = {port.device for port in want.ports}
    for port in ports.values():
        if port.name not in devices and is_of(port.mark, want.owner):
            remove = ("del-port", want.name, port.name)
            yield OvsChange(f"- ovs port {port.name} of {want.name}", (remove,))
    for wanted in want.ports:
        yield from _port(have, want, wanted, ports.get(wanted.device))
    if bridge and have.differences and not want.controller:
        yield OvsChange(f"~ ovs flows of {want.name}", flows=True)
    elif not bridge and want.fail_mode == "secure" and not want.controller:
        yield OvsChange(f"+ ovs flows of {want.name}", flows=True)


def _add_bridge(want: WantedBridge) -> OvsChange:
    name, mark = want.name, _mark(want.owner.cluster)
    return OvsChange(
        f"+ ovs bridge {name} ({want.owner.mark}) datapath {want.datapath}, {want.fail_mode}",
        (
            ("add-br", name),
            ("set", "Port", name, mark),
            ("set", "Interface", name, mark),
            ("set", "Bridge", name, mark, "other_config:disable-in-band=true"),
            ("set", "Bridge", name, f"datapath_type={want.datapath}"),
            ("set", "Bridge", name, f"fail_mode={want.fail_mode}"),
            *_controller(want),
        ),
    )


def _settings(bridge: OvsBridge, want: WantedBridge) -> Iterator[OvsChange]:
    line, name = f"~ ovs bridge {bridge.name}", bridge.name
    flows = not want.controller  # a change of these may take them away
    for column, found, wanted in (
        ("datapath_type", bridge.datapath, want.datapath),
        ("fail_mode", bridge.fail_mode, want.fail_mode),
    ):
        if found != wanted:
            change = ("set", "Bridge", name, f"{column}={wanted}")
            yield OvsChange(
                f"{line} {column} {found or 'unset'} -> {wanted}", (change,), flows=flows
            )
    if bridge.in_band:
        change = ("set", "Bridge", name, "other_config:disable-in-band=true")
        yield OvsChange(f"{line} disable-in-band unset -> true", (change,))
    found = " ".join(bridge.controllers)
    if found != want.controller:
        ways = found or "none", want.controller or "none"
        commands = _controller(want) or (("del-controller", name),)
        yield OvsChange(f"{line} controller {' -> '.join(ways)}", commands, flows=flows)


def _controller(want: WantedBridge) -> tuple[Words, ...]:
    return (("set-controller", want.name, want.controller),) if want.controller else ()


def _port(
    have: OpenVSwitchState, want: WantedBridge, port: SwitchPort, found: OvsPort | None
) -> Iterator[OvsChange]:
    mark = _mark(f"{want.owner.cluster}:{port.guest}")
    index = f'external_ids:{INDEX}="{have.links.get(port.device, 0)}"'
    commands = (
        ("add-port", want.name, port.device, mark),
        ("set", "Interface", port.device, mark, index, f"ofport_request={port.number}"),
    )
    if found is None:
        yield OvsChange(f"+ ovs port {port.device} ({port.guest}) of {want.name}", commands)
    elif why := _why_anew(have, want, port, found):
        line = f"~ ovs port {port.device} ({port.guest}) attached anew: {why}"
        yield OvsChange(line, commands, before=(("del-port", want.name, port.device),))


def _why_anew(have: OpenVSwitchState, want: WantedBridge, port: SwitchPort, found: OvsPort) -> str:
    if not found.opened:
        return found.error or "it is not open"
    if found.mark != f"{want.owner.cluster}:{port.guest}":
        return f"its mark is '{found.mark}'"
    if found.number != port.number:
        return f"its OpenFlow port is {found.number}"
    return "the interface was made anew" if have.stale(found) else ""


def _mark(value: str) -> str:
    return f'external_ids:{MARK}="{value}"'
