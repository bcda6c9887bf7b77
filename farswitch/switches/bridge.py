"""A Linux bridge: all tunnels are its ports, and the tasks for interfaces make all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nornir.core.inventory import Host

from farswitch.connections.access import netlink
from farswitch.connections.netlink.fdb import entries
from farswitch.connections.netlink.links import dump
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort, SwitchState, Traits, bridge_name


class BridgeSwitch(Switch):
    """The kernel's own switch."""

    kind: ClassVar[str] = "bridge"

    @property
    def traits(self) -> Traits:
        return Traits("bridge", "master", places=True)

    def observe(self, host: Host, owner: Owner) -> SwitchState:
        """Look at the bridge and its ports."""
        with netlink(host).session() as ipr:
            links = dump(ipr)
        name = bridge_name(owner)
        bridge = next((link for link in links if link.name == name), None)
        fault = "" if bridge and bridge.up else f"'{name}' is {'down' if bridge else 'not there'}."
        return SwitchState(frozenset(link.name for link in links if link.master == name), fault)

    def plan(self, _have: SwitchState, _ports: Sequence[SwitchPort], _owner: Owner) -> list[str]:
        """Return nothing: `bridge`, `vxlan` and `bridge_ports` do it all."""
        return []

    def apply(self, host: Host, owner: Owner, changes: Sequence[str]) -> None:
        """Do nothing: there are no changes."""

    def places(self, host: Host, owner: Owner) -> Mapping[str, str]:
        """Return what the forwarding database has learnt or was given."""
        name = bridge_name(owner)
        with netlink(host).session() as ipr:
            found = entries(ipr, dump(ipr))
        return {entry.mac: entry.device for entry in found if entry.bridge == name}

    def describe(self, _host: Host, owner: Owner) -> Mapping[str, str]:
        """Return its name; it is a part of the kernel, whose version is the server's."""
        return {"bridge": bridge_name(owner)}
