"""The switch on the switch server: what an adapter is, and how a site chooses one.

An adapter is a kind of switch, found by an entry point of the group `farswitch.switches`. Whatever
it is, the kernel's vxlan interfaces stay its ports: tunnels, guard, counters, MTU and capture are
the same for all. An adapter only says who holds the ports.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from nornir.core.inventory import Host
from pydantic import BaseModel, ConfigDict, PlainValidator, TypeAdapter, create_model

from farswitch.model.field_types import Fields, refuse_if
from farswitch.model.owner import Owner

GROUP = "farswitch.switches"
"""The group of entry points; the name of one is what a site writes."""
Attachment = Literal["bridge", "tunnel", "plain port"]
"""How a guest's tunnel comes to the switch: as a port of the cluster's bridge, by itself, or over a
bridge of its own and a veth pair, whose far end is the switch's and carries whole frames."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rest has to know of a switch.

    Attributes:
        attaches: How the tunnels come to it.
        holds: `master`: it takes each frame from its port, one switch at a time. `socket`: it gets
            a copy, so the server's own stack gets one too, which the guard drops.
        places: Whether it can say at which port an address is.
    """

    attaches: Attachment
    holds: Literal["master", "socket"]
    places: bool


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """A port of the switch; it follows from the guest.

    Attributes:
        number: From 1, the guest's in the site.
        tunnel: The vxlan interface.
        device: What the switch holds: the tunnel, or the far end of a plain port.
        mac, vni: The guest's.
        mtu: Of the data network, in bytes of IP packet.
    """

    number: int
    guest: str
    tunnel: str
    device: str
    mac: str
    vni: int
    mtu: int


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What was found of a switch; an adapter adds what its plan compares.

    Attributes:
        held: The devices that it holds.
        fault: A sentence of why it does not forward, with its last words; empty where it does.
    """

    held: frozenset[str] = frozenset()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ObservedSwitch:
    """A switch as it was found, and what its adapter has to say of it."""

    state: SwitchState
    description: Mapping[str, str]


class Switch(Fields, ABC):
    """An adapter as a site chose it: its fields are its settings."""

    kind: ClassVar[str]
    """What a site calls it."""

    @property
    @abstractmethod
    def traits(self) -> Traits: ...

    def namespace(self, _owner: Owner) -> str:
        """Return the path of the network namespace that the switch moves plain ports to, if any."""
        return ""

    def beside(self, _folder: Path) -> Self:
        """Return it with the paths on the controller starting at the site's folder."""
        return self

    @abstractmethod
    def observe(self, host: Host, owner: Owner) -> SwitchState:
        """Read what there is of the owner's switch; change nothing."""

    @abstractmethod
    def plan(self, have: SwitchState, ports: Sequence[SwitchPort], owner: Owner) -> Sequence[Any]:
        """Compare it with what is wanted; pure.

        The changes come in the order in which they are made; the `str` of one is a line of the plan
        that begins with "+", "~" or "-".
        """

    @abstractmethod
    def apply(self, host: Host, owner: Owner, changes: Sequence[Any]) -> None:
        """Make the changes of a plan; who calls it observes again, and takes no word for it."""

    def beginning(self, changes: Sequence[Any]) -> Sequence[Any]:
        """Return those of a plan's changes that leave what stands of this kind in service.

        Where it can be beside another one of its kind, these give it all ports, and the next plan
        ends the other one. By default the plan is made as it is.
        """
        return changes

    def members(self, _have: SwitchState, _owner: Owner) -> frozenset[str]:
        """Return the names of what was found of this kind, where `ending` can spare some."""
        return frozenset()

    def ending(self, _owner: Owner, _spared: Collection[str]) -> str:
        """Return a script of sh that ends on the server what is of this kind, but some members.

        It is for when no controller is left that could do it, and empty where what loses its ports
        does no harm.
        """
        return ""

    @property
    def start_seconds(self) -> float:
        """How long it may take until it is ready, beyond what a server needs for a few commands."""
        return 0.0

    def places(self, _host: Host, _owner: Owner) -> Mapping[str, str]:
        """Return the device at which each address is, where `traits.places` says that it can."""
        return {}

    @abstractmethod
    def describe(self, host: Host, owner: Owner) -> Mapping[str, str]:
        """Return what a run's document keeps of it: version, settings, digests."""

    def look(self, host: Host, owner: Owner, have: SwitchState | None = None) -> ObservedSwitch:
        """Describe it as it was observed, or is now."""
        about = {"kind": self.kind, **self.describe(host, owner)}
        return ObservedSwitch(have or self.observe(host, owner), about)

    @classmethod
    def leftovers(cls, _host: Host) -> Mapping[str, Sequence[str]]:
        """Return what bears our mark on a server, by cluster, whatever the site says.

        What is an interface is found without it.
        """
        return {}

    @classmethod
    def remove(cls, _host: Host, _owner: Owner) -> None:
        """Remove what `leftovers` names of an owner."""


@cache
def adapters() -> Mapping[str, type[Switch]]:
    """Return all adapters that are installed, by the names that a site gives them."""
    found = {point.name: point.load() for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))


def switch_leftovers(host: Host) -> dict[str, list[str]]:
    """Return what bears our mark of switches of all kinds on a server, by cluster."""
    found: dict[str, list[str]] = {}
    for kind in adapters().values():
        for owner, names in kind.leftovers(host).items():
            found.setdefault(owner, []).extend(names)
    return found


def remove_switches(
    host: Host, owner: Owner, *, spared: str = "", dry_run: bool = False
) -> list[str]:
    """End an owner's switches on a server, but those of the kind that is spared; return a plan."""
    lines = []
    for name, kind in adapters().items():
        found = kind.leftovers(host).get(owner.cluster, ()) if name != spared else ()
        lines += [f"- switch {one}" for one in found]
        if found and not dry_run:
            kind.remove(host, owner)
    return lines


@cache
def choices() -> type[BaseModel]:
    """Return the model of the mapping that names one adapter and has its settings."""
    keys: dict[str, Any] = {name: (kind | None, None) for name, kind in adapters().items()}
    config = ConfigDict(extra="forbid", strict=True)
    return create_model("SwitchChoices", __config__=config, **keys)


def parse_switch(value: object) -> Switch:
    """Return the adapter of a name, or of a mapping with one name and its settings."""
    if isinstance(value, Switch):
        return value
    choice = choices().model_validate({value: {}} if isinstance(value, str) else value)
    chosen = [getattr(choice, name) for name in choice.model_fields_set]
    refuse_if(len(chosen) != 1 or not isinstance(chosen[0], Switch))
    adapter: Switch = chosen[0]
    return adapter


NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
"""What a site may call a switch of its own settings."""
NamedSwitches = tuple[tuple[str, Switch], ...]
"""Switches by what a site calls them."""


def parse_switches(value: object) -> NamedSwitches:
    """Return the switches of a mapping from names, none of which is that of a kind."""
    if isinstance(value, tuple):
        return value
    refuse_if(not isinstance(value, dict))
    one = TypeAdapter(dict[str, Annotated[Switch, PlainValidator(parse_switch)]])
    switches = one.validate_python(value)
    refuse_if(not all(NAME.fullmatch(name) for name in switches) or switches.keys() & adapters())
    return tuple(switches.items())


def bridge_name(owner: Owner) -> str:
    """Return the name of the bridge that is the switch, where one is."""
    return f"fss{owner.vni_base}"


def written(adapter: Switch) -> str | dict[str, Any]:
    """Return an adapter as a site writes it."""
    settings = adapter.model_dump(mode="json", exclude_defaults=True)
    return {adapter.kind: settings} if settings else adapter.kind
