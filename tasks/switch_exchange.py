"""The exchange of a server's switch under running jobs: the old or the new stands at any moment."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import netlink, shell
from farswitch.connections.netlink.batch import RefusedError, batched
from farswitch.connections.netlink.edit_links import set_arp, set_master
from farswitch.connections.netlink.links import Session, dump
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.links.apply import index_of
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchState
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.rollback import timer as rollback
from farswitch.rollback.timer import RollbackTimer
from farswitch.switches.exchange import (
    ExchangeOrder,
    Masters,
    SwitchSide,
    moves,
    once_over,
    order_of,
    undo_script,
)

SECONDS = 30
"""After which the server gives the ports back to the old switch by itself."""
DRAIN = 1.0
"""Seconds that the old switch has for frames that it took in and did not yet send."""
ALIVE_SECONDS = 5.0
ECHO_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class Asker:
    """A guest that asks others for an echo across the switch, by their addresses."""

    host: Host
    addresses: Sequence[str]

    def heard(self) -> frozenset[str]:
        """Return the addresses that answered."""
        seconds = patient(ECHO_SECONDS)
        argv = command("echo", str(seconds), *self.addresses)
        return frozenset(json.loads(shell(self.host).run(argv, timeout=seconds + 20.0).stdout))


def switch_exchange(
    task: Task,
    old: SwitchSide,
    new: SwitchSide,
    owner: Owner,
    *,
    asker: Asker | None = None,
    seconds: int = SECONDS,
    drain: float = DRAIN,
    dry_run: bool | None = None,
) -> Result:
    """Give the ports of a switch to another one; the interfaces of both must be there.

    The old one is left as it is, without ports: `switch` ends it. Where the new one does not get
    alive, or fewer guests hear each other, the old one gets the ports back.

    Args:
        task: The Nornir task of the server.
        old: The switch that stands.
        new: The switch that is to take its place.
        owner: Whose switch is meant.
        asker: A guest by whose echoes the new one is judged; None: by what it holds alone.
        seconds: When the server gives the ports back by itself.
        drain: Seconds that the old one is given for what it still has.
        dry_run: True: report the change, make none. None: as the run says.

    Returns:
        A result whose `result` is the `ExchangeOrder`.

    Raises:
        FarswitchError: The old switch stands.
    """
    order = order_of(old, new)
    lines = [f"~ switch {old.adapter.kind} -> {new.adapter.kind}: {order}"]
    if not task.is_dry_run(dry_run):
        exchange = _Exchange(task.host, old, new, owner, order)
        lines += exchange.make(asker, seconds)
        Deadline(drain).wait(threading.Event())
    return Result(task.host, result=order, changed=True, diff="\n".join(lines), count=len(lines))


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One exchange on one server."""

    host: Host
    old: SwitchSide
    new: SwitchSide
    owner: Owner
    order: ExchangeOrder

    def make(self, asker: Asker | None, seconds: int) -> list[str]:
        """Make it, and return what was changed; after an error the old switch has its ports."""
        heard = asker.heard() if asker else frozenset()
        found, lines = self._masters(), []
        before = {side.adapter.kind: self._members(side) for side in (self.old, self.new)}
        ending = self.new.adapter.ending(self.owner, before[self.new.adapter.kind])
        armed = []
        try:
            if self.order.attach_first:
                armed += self._arm(rollback.ENDING, ending, seconds, self.new)
                lines += self._attach(self.new)
            undo = undo_script(found, self.new, ending)
            armed += self._arm(rollback.EXCHANGE, undo, seconds)
            if len(armed) > 1:
                self._confirm(armed.pop(0), seconds)
            lines += self._move()
            self._prove(asker, heard)
            timer = armed[-1]
            self._arm(rollback.ENDING, self._end_of_old(before, timer), seconds, self.old)
        except Exception:
            if self._restored(found, ending):
                for one in armed:
                    rollback.confirm(shell(self.host), one)
            raise
        self._confirm(timer, seconds)
        return lines

    def _members(self, side: SwitchSide) -> frozenset[str]:
        return side.adapter.members(side.adapter.observe(self.host, self.owner), self.owner)

    def _arm(
        self, kind: str, script: str, seconds: int, starts: SwitchSide | None = None
    ) -> list[RollbackTimer]:
        """Have the server run a script after the seconds, and those that a switch may take."""
        if not script:
            return []
        name = rollback.name_of(kind, self.owner.cluster)
        more = math.ceil(starts.adapter.start_seconds) if starts else 0
        return [rollback.start(shell(self.host), name, script, seconds + more)]

    def _confirm(self, timer: RollbackTimer, seconds: int) -> None:
        if not rollback.confirm(shell(self.host), timer):
            raise FarswitchError(
                f"The exchange took longer than {seconds} s, so '{self.host.name}' has given the "
                "ports back to the old switch.",
                hint="Run it again when the machines have less to do.",
            )

    def _end_of_old(self, before: Mapping[str, frozenset[str]], timer: RollbackTimer) -> str:
        """Return what ends the old one if no controller is left that does; see `switch_use`.

        A run that goes on ends it itself, then confirms this with all that earlier runs have left.
        """
        kind, spared = self.old.adapter.kind, frozenset[str]()
        if kind == self.new.adapter.kind:
            spared = self._members(self.new) - before[kind]
            if not spared:  # it was changed in place
                return ""
        ending = self.old.adapter.ending(self.owner, spared)
        return once_over(f"{rollback.FOLDER}/{timer.id}", ending) if ending else ""

    def _move(self) -> list[str]:
        if self.order.let_go:
            adapter = self.old.adapter
            changes = adapter.plan(adapter.observe(self.host, self.owner), (), self.owner)
            adapter.apply(self.host, self.owner, changes)
        found = self._masters()
        moved = moves(self.order, self.new, found)
        self._enslave(moved)
        lines = [
            f"~ vxlan {name} master {found[name] or 'none'} -> {to or 'none'}"
            for name, to in moved.items()
        ]
        return lines if self.order.attach_first else [*lines, *self._attach(self.new)]

    def _attach(self, side: SwitchSide) -> list[str]:
        """Have an adapter take the ports; the bridge has nothing to do, its ports come to it."""
        adapter = side.adapter
        have = adapter.observe(self.host, self.owner)
        changes = adapter.beginning(adapter.plan(have, side.ports, self.owner))
        if changes:
            adapter.apply(self.host, self.owner, changes)
        if adapter.traits.attaches != "bridge":
            self._await(side)
        return [*map(str, changes)]

    def _await(self, side: SwitchSide) -> None:
        """Wait until a switch is alive and holds all its ports."""
        wanted, state = {port.device for port in side.ports}, SwitchState()

        def alive() -> bool:
            nonlocal state
            state = side.adapter.observe(self.host, self.owner)
            return wanted <= state.held and not state.fault

        try:
            wait_until(alive, Deadline(patient(ALIVE_SECONDS)), what="The switch")
        except DeadlineError as error:
            lacks = f"it does not hold {', '.join(sorted(wanted - state.held)[:3])}."
            raise FarswitchError(
                f"The switch '{side.adapter.kind}' on '{self.host.name}' is not alive: "
                f"{state.fault or lacks}",
                hint="The old switch has the ports. Look at what there is: farswitch switch status",
            ) from error

    def _prove(self, asker: Asker | None, before: frozenset[str]) -> None:
        self._await(self.new)
        if asker and (lost := before - asker.heard()):
            raise FarswitchError(
                f"Across the switch '{self.new.adapter.kind}', '{asker.host.name}' heard nothing "
                f"of {', '.join(sorted(lost)[:3])}, which had answered before.",
                hint="The old switch has the ports again.",
            )

    def _restored(self, found: Masters, ending: str) -> bool:
        """End the new switch, and give the old one its ports; tell whether it has them.

        If not, the timers do it. Beside the new one the old one would not be the latest of its
        kind, and be begun once more.
        """
        try:
            if ending:
                shell(self.host).run(("sh", "-c", ending), timeout=patient(rollback.UNDO_SECONDS))
            now = self._masters()
            self._enslave({name: to for name, to in found.items() if now.get(name) != to})
            self._attach(self.old)
        except FarswitchError:
            return False
        return True

    def _masters(self) -> Masters:
        """Return the masters of the tunnels as they are."""
        wanted = self.new.masters
        with netlink(self.host).session() as ipr:
            return {link.name: link.master for link in dump(ipr) if link.name in wanted}

    def _enslave(self, masters: Masters) -> None:
        """Give tunnels other masters, or none, in one batch: what was looked up moves at once."""
        if not masters:
            return
        arp = {tunnel.name: tunnel.arp for tunnel in self.new.tunnels}
        with netlink(self.host).session() as ipr:
            index = {link.name: link.index for link in dump(ipr)}

            def make(edits: Session) -> None:
                for name, master in masters.items():
                    if master is None and not arp[name]:
                        set_arp(edits, name, arp=False)
                    set_master(edits, name, index_of(index, master, name) if master else 0)

            try:
                with batched(ipr) as edits:
                    make(edits)
            except RefusedError:  # the error of a single one has its name
                make(ipr)
