"""The exchange of a switch under running jobs: its order, what moves, and what undoes it; pure.

A switch that is a socket gets copies: it can be attached while the other one still has the ports,
so it is made before the old one is broken. Of two that take the ports only one can have them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link
from farswitch.links.ownership import owns
from farswitch.model.links import Tunnel
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort

Masters = Mapping[str, str | None]
"""By tunnel: the interface that it is a port of."""


@dataclass(frozen=True, slots=True)
class SwitchSide:
    """One of the two switches of an exchange.

    Attributes:
        adapter: The kind of switch, with its settings.
        ports: Its ports.
        tunnels: On the switch server, as they are under it.
    """

    adapter: Switch
    ports: Sequence[SwitchPort]
    tunnels: Sequence[Tunnel]

    @property
    def takes(self) -> bool:
        """Whether it makes itself the master of the tunnels."""
        traits = self.adapter.traits
        return traits.attaches == "tunnel" and traits.holds == "master"

    @property
    def masters(self) -> Masters:
        """The masters that farswitch gives the tunnels."""
        return {tunnel.name: tunnel.master for tunnel in self.tunnels}


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """In which order a switch takes the place of another.

    Attributes:
        attach_first: The new one is attached before the tunnels move; else after that.
        let_go: The old one has to let go of the tunnels itself, before they move.
    """

    attach_first: bool
    let_go: bool

    def __str__(self) -> str:
        overlap = self.attach_first and not self.let_go
        return "make before break" if overlap else "break before make"


def order_of(old: SwitchSide, new: SwitchSide) -> ExchangeOrder:
    """Return the order; two of one kind see to each other in their own plan."""
    alike = old.adapter.kind == new.adapter.kind
    traits = old.adapter.traits
    free = traits.attaches == "tunnel" and (traits.holds == "socket" or alike)
    return ExchangeOrder(not new.takes or free, old.takes and not alike)


def moves(order: ExchangeOrder, new: SwitchSide, found: Masters) -> Masters:
    """Return the masters that change; the found ones are those just before."""
    if new.takes and order.attach_first:
        return {}
    return {name: to for name, to in new.masters.items() if found.get(name) != to}


def is_held(links: Sequence[Link], tunnels: Sequence[Tunnel], owner: Owner) -> bool:
    """Tell whether another switch has made itself the master of a tunnel that is to have ours.

    It has to let go itself: the kernel releases no port of Open vSwitch's datapath.
    """
    wanted = {tunnel.name for tunnel in tunnels if tunnel.master}
    ours = {link.name for link in links if owns(owner, link)}
    return any(link.name in wanted and link.master not in {None, *ours} for link in links)


def undo_script(found: Masters, new: SwitchSide, ending: str) -> str:
    """Return the script that gives the tunnels back, or where that fails, to the new switch.

    One that has lost its ports is ended by the script `ending`, one that takes them before that.
    """
    back = _batch(found)
    if ending and new.takes:
        back = f"{{ {ending}; {back}; }}"
    elif ending:
        back = f"{{ {back} && {{ {ending}; true; }}; }}"
    return f"{back} || {_batch(new.masters)}"


def once_over(timer: str, ending: str) -> str:
    """Return a script that runs another one if the change of a timer, by its path, is confirmed."""
    left = " || ".join(
        f"[ -e {shlex.quote(f'{timer}.{it}')} ]" for it in ("armed", "fired", "said")
    )
    return f"{{ {left}; }} || {{ {ending}; }}"


def _batch(masters: Masters) -> str:
    lines = [
        f"link set dev {name} {f'master {master}' if master else 'nomaster'}"
        for name, master in masters.items()
    ]
    return f"printf '%s\\n' {shlex.join(lines)} | ip -batch -"
