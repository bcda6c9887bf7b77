"""Open vSwitch: a bridge of the server's own daemon, in its kernel or in its process."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from nornir.core.inventory import Host
from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, ValidationInfo

from farswitch.connections.access import shell
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import Obstacle
from farswitch.model.field_types import Flag, refuse_if, text
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort, SwitchState, Traits
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.switches.ovs_plan import OvsChange, WantedBridge, plan
from farswitch.switches.ovs_state import (
    MARK,
    START,
    OpenVSwitchState,
    OvsReport,
    faults,
    is_of,
    parse_bridges,
    parse_tso,
)

SECONDS = 60
"""How long ovs-vsctl waits until the daemon has done all of a transaction: a hundred ports take a
tenth of a second to attach and 1.3 s to detach."""
ENDING_SECONDS = 20
"""How long it waits for each of both transactions of an end: an undo goes on behind them, and has
60 s for all."""
CONNECTED = 5.0
"""Seconds that a controller is given to answer."""
FLOOD = "priority=0,actions=NORMAL"
"""What Open vSwitch itself gives a bridge that learns addresses."""


def _flows(value: object) -> tuple[str, ...]:
    refuse_if(not isinstance(value, list | tuple))
    flows = tuple(value) if isinstance(value, list | tuple) else ()
    refuse_if(
        not all(isinstance(flow, str) and re.fullmatch(r"[ -~]*[!-~]", flow) for flow in flows)
    )
    return flows


def _without_flows(controller: str | None, others: ValidationInfo) -> str | None:
    refuse_if(controller and others.data.get("flows"))
    return controller


def _of_netdev(tso: bool, others: ValidationInfo) -> bool:  # noqa: FBT001 (pydantic's order)
    refuse_if(tso and others.data.get("datapath") != "netdev")
    return tso


class OpenVSwitch(Switch):
    """Open vSwitch, as it runs on the server."""

    kind: ClassVar[str] = "openvswitch"

    datapath: Annotated[Literal["system", "netdev"], Field(title="'system' or 'netdev'")] = "system"
    """`system` is the kernel's; `netdev` is in the daemon, and needs nothing of the kernel"""
    tso: Annotated[
        Flag,
        AfterValidator(_of_netdev),
        Field(title="true or false; true only with 'datapath: netdev'"),
    ] = False
    """`true`: the daemon of a `netdev` datapath runs with userspace TSO, and takes the tunnels"""
    flows: Annotated[
        tuple[str, ...],
        PlainValidator(_flows),
        PlainSerializer(list),
        Field(title="a list of flows, as ovs-ofctl add-flow takes them"),
    ] = ()
    """all OpenFlow flows of the bridge; a guest's port has the guest's number"""
    controller: Annotated[
        str | None, text(r"(tcp|ssl):[0-9A-Za-z.:\[\]-]+",
                         "a controller as tcp:198.51.100.9:6653, without 'flows'"),
        AfterValidator(_without_flows),
    ] = None  # fmt: skip
    """the OpenFlow controller that makes the flows"""

    @property
    def traits(self) -> Traits:
        places = not self.flows and not self.controller
        if self.datapath == "system":
            return Traits("tunnel", "master", places)
        return Traits("tunnel" if self.tso else "plain port", "socket", places)

    def observe(self, host: Host, owner: Owner) -> OpenVSwitchState:
        """Ask the database, the daemon and the kernel."""
        name = _name(owner)
        wanted = "" if self.controller else "\n".join([*(self.flows or [FLOOD]), ""])
        report = _report(host, name, self.datapath, wanted)
        state = replace(_state(host.name, report), differences=report.differences)
        if obstacle := self._obstacle(host.name, report):
            return replace(state, obstacle=obstacle, fault=obstacle.what)
        bridge = state.bridge(name)
        if bridge is None or not is_of(bridge.mark, owner):
            return replace(state, fault=f"Open vSwitch on '{host.name}' has no bridge '{name}'.")
        held = {
            port.name
            for port in bridge.ports
            if port.opened and not (port.mark and state.stale(port))
        }
        return replace(
            state,
            held=frozenset(held),
            fault=" ".join(faults(host.name, bridge, state)),
        )

    def plan(
        self, have: SwitchState, ports: Sequence[SwitchPort], owner: Owner
    ) -> Sequence[OvsChange]:
        """Compare the bridge with what is wanted.

        Raises:
            ObstaclesError: Open vSwitch cannot be the switch there.
            ForeignObjectError: A bridge or a port of somebody else has a name of ours.
        """
        if not isinstance(have, OpenVSwitchState):
            raise TypeError(f"{have} is not of Open vSwitch")
        secure = self.flows or self.controller
        want = WantedBridge(
            name=_name(owner),
            datapath=self.datapath,
            fail_mode="secure" if secure else "standalone",
            controller=self.controller or "",
            ports=ports,
            owner=owner,
        )
        return plan(have, want)

    def apply(self, host: Host, owner: Owner, changes: Sequence[OvsChange]) -> None:
        """Make them in one transaction, after another for what has to be detached before."""
        for commands in (
            [words for change in changes for words in change.before],
            [words for change in changes for words in change.commands],
        ):
            _transact(host, commands)
        if any(change.flows for change in changes):
            flows = "\n".join([*(self.flows or [FLOOD]), ""])
            argv = ("ovs-ofctl", "--bundle", "replace-flows", _name(owner), "-")
            shell(host).run(argv, stdin=flows)
        if self.controller:
            with suppress(DeadlineError):  # who observes again says it
                wait_until(
                    lambda: all(self._controllers(host, owner)),
                    Deadline(patient(CONNECTED)),
                    what=f"The connection of '{self.controller}'",
                )

    def members(self, have: SwitchState, owner: Owner) -> frozenset[str]:
        """Return the name of the cluster's bridge, where there is one."""
        assert isinstance(have, OpenVSwitchState)  # noqa: S101 (it comes from `observe`)
        names = (bridge.name for bridge in have.bridges if is_of(bridge.mark, owner))
        return frozenset(names)

    def ending(self, owner: Owner, spared: Collection[str]) -> str:
        """Return what removes the bridge, if it is ours."""
        name, vsctl = _name(owner), f"ovs-vsctl --timeout={ENDING_SECONDS}"
        if name in spared:
            return ""
        mark = f"{vsctl} --if-exists get Bridge {name} external_ids:{MARK} | tr -d '\"'"
        return f'[ "$({mark})" != {owner.cluster} ] || {vsctl} del-br {name}'

    def places(self, host: Host, owner: Owner) -> Mapping[str, str]:
        """Return what the bridge has learnt."""
        name = _name(owner)
        bridge = _state(host.name, _report(host)).bridge(name)
        ports = {port.number: port.name for port in bridge.ports} if bridge else {}
        table = shell(host).run(("ovs-appctl", "fdb/show", name)).stdout
        return parse_places(table, ports)

    def describe(self, host: Host, owner: Owner) -> Mapping[str, str]:
        """Return the daemon's version, what it was told, and how many flows there are."""
        state = _state(host.name, _report(host))
        argv = ("ovs-ofctl", "--no-stats", "dump-flows", _name(owner))
        flows = shell(host).run(argv, check=False).stdout.count("actions=")
        return {
            "version": state.version,
            "datapath": self.datapath,
            "userspace TSO": "on" if state.tso else "off",
            "controller": self.controller or "none",
            "flows": str(flows),
        }

    @classmethod
    def leftovers(cls, host: Host) -> Mapping[str, Sequence[str]]:
        """Return our bridges, and our ports on bridges of others; also of a stopped daemon."""
        found: dict[str, list[str]] = {}
        for bridge in _state(host.name, _report(host)).bridges:
            marked = {port.name: port.mark for port in bridge.ports if not bridge.mark}
            for name, mark in {bridge.name: bridge.mark, **marked}.items():
                if mark:
                    noun = "bridge" if name == bridge.name else "port"
                    cluster = mark.partition(":")[0]
                    found.setdefault(cluster, []).append(f"Open vSwitch {noun} '{name}'")
        return found

    @classmethod
    def remove(cls, host: Host, owner: Owner) -> None:
        """Remove them.

        Raises:
            FarswitchError: There are some, and the daemon, which has to let go, does not run.
        """
        report = _report(host)
        state = replace(_state(host.name, report), obstacle=_daemon(host.name, report))
        nothing = WantedBridge(_name(owner), "", "", "", (), owner)
        _transact(host, [words for change in plan(state, nothing) for words in change.commands])

    def _controllers(self, host: Host, owner: Owner) -> Sequence[bool]:
        bridge = _state(host.name, _report(host)).bridge(_name(owner))
        return [*bridge.controllers.values()] if bridge else []

    def _obstacle(self, server: str, report: OvsReport) -> Obstacle | None:
        if obstacle := _daemon(server, report):
            return obstacle
        if self.datapath == "system" and not report.kernel:
            return Obstacle(
                f"The kernel of '{server}' has no datapath of Open vSwitch: generic netlink has no "
                "family 'ovs_datapath'.",
                "Load it there: modprobe openvswitch; or write 'datapath: netdev' in the site.",
            )
        if self.tso and not parse_tso(report.rows):
            return Obstacle(
                f"Open vSwitch on '{server}' runs without userspace TSO, and the site says "
                "'tso: true'.",
                "There: ovs-vsctl set Open_vSwitch . other_config:userspace-tso-enable=true, then "
                "restart Open vSwitch; or write 'tso: false' in the site.",
            )
        if report.mistake:
            mistake = re.sub(r"^ovs-ofctl: -:(\d+): ", r"number \1: ", report.mistake)
            return Obstacle(
                f"Open vSwitch on '{server}' does not take the site's flows, {mistake}.",
                "Correct 'flows' in the site: ovs-ofctl(8) and ovs-actions(7) say what flows are.",
            )
        return None


def parse_places(table: str, ports: Mapping[int, str]) -> Mapping[str, str]:
    """Return the device of each address that `ovs-appctl fdb/show` prints, by its port's number."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {
        row[2]: ports[int(row[0])] for row in rows if row[0].isdecimal() and int(row[0]) in ports
    }


def _name(owner: Owner) -> str:
    return f"fso{owner.vni_base}"


def _report(host: Host, bridge: str = "", datapath: str = "", flows: str = "") -> OvsReport:
    argv = command("openvswitch_state", bridge, datapath)
    printed = shell(host).run(argv, stdin=flows).stdout
    return OvsReport.model_validate_json(printed)


def _state(server: str, report: OvsReport) -> OpenVSwitchState:
    return OpenVSwitchState(
        server=server,
        bridges=parse_bridges(report.rows),
        links=report.links,
        version=report.version.strip().rpartition(" ")[2],
        tso=parse_tso(report.rows),
    )


def _daemon(server: str, report: OvsReport) -> Obstacle | None:
    if report.missing:
        return Obstacle(
            f"Open vSwitch is not installed on '{server}', which has no '{report.missing[0]}'.",
            "Install it there: the package is openvswitch-switch on Debian and Ubuntu, openvswitch "
            "on Fedora and RHEL.",
        )
    if not report.running:
        what = f"The database of Open vSwitch on '{server}' does not answer: {report.refusal}."
        return Obstacle(what, START)
    if not report.version:
        what = f"'ovs-vswitchd' does not run on '{server}': {report.silence}."
        return Obstacle(what, START)
    return None


def _transact(host: Host, commands: Sequence[Sequence[str]]) -> None:
    """Run commands of ovs-vsctl, all or none of them, and wait until the daemon has done them."""
    if commands:
        words = [f"--timeout={SECONDS}", *(word for one in commands for word in ("--", *one))]
        shell(host).run(command("ovs_vsctl"), stdin=json.dumps(words), timeout=SECONDS + 10.0)
