"""A timeline of impairments on servers: each carries out its part by its own clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from nornir.core.inventory import Host
from pydantic import BaseModel, RootModel

from farswitch.connections.access import netlink, shell
from farswitch.errors import ConfigError, FarswitchError, ForeignObjectError, ObstaclesError
from farswitch.impair.changes import Change, changes_of, removal, script_of
from farswitch.impair.observe import EndState, ImpairedEnds, KernelAbilities, kernel, observe
from farswitch.impair.plan import EndChange, PortEnd, PortWish, of_kernel, port_ends, refused
from farswitch.model.cluster import Cluster
from farswitch.model.impairment import PortImpairment
from farswitch.model.node_names import expand
from farswitch.model.timeline import ImpairmentEvent, TimelineStep, steps_of
from farswitch.pace import patient
from farswitch.remote import command
from farswitch.remote_program import RemoteProgram, RemoteProgramError
from farswitch.rollback import timer as rollback

MARGIN = 60
"""Seconds after its end when a server undoes by itself what a timeline left."""
LEAD = 1.0
"""Seconds from the order to start until the start, which is the same on all servers."""
SECONDS = 30.0


class AgentStep(BaseModel):
    """To `impair_agent.py`: what it does at a moment."""

    at: float
    name: str
    changes: list[dict[str, Any]]


class AgentPlan(BaseModel):
    """To `impair_agent.py`: all that it has to do."""

    at_once: bool = False
    seconds: float = 0.0
    steps: list[AgentStep]
    last: list[dict[str, Any]]


class AgentStart(BaseModel):
    """To `impair_agent.py`: when to begin; None asks what time it is."""

    start: float | None = None


class AgentClock(BaseModel):
    """`impair_agent.py`: the server's monotonic clock, which nobody can set."""

    now: float


class AgentEnd(BaseModel):
    """`impair_agent.py`: it was ended early, and left the ports as they were."""

    ended: float
    error: str


class StepDone(BaseModel):
    """`impair_agent.py`: a step, and when it truly was, in seconds from the start."""

    name: str
    at: float
    began: float
    ended: float
    error: str


class AgentReport(RootModel[StepDone | AgentEnd]):
    """`impair_agent.py`: what it still does before it ends."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A step that a server has carried out; times in seconds from the start.

    Attributes:
        step: Whose port, and what is done to it from then on.
        began, ended: When the server truly did it.
        error: Why it did not.
    """

    server: str
    step: str
    at: float
    began: float
    ended: float
    error: str


def steps_for(
    cluster: Cluster,
    events: Sequence[ImpairmentEvent],
    base: Mapping[str, PortImpairment],
    length: int | None = None,
) -> tuple[TimelineStep, ...]:
    """Return the steps of events for a cluster; `length` is in microseconds.

    Raises:
        ConfigError: An event names no guest of the cluster, or two are in each other's way.
    """
    names = {guest.name for guest in cluster.guests}
    placed = []
    for event in events:
        guests = expand(event.port)
        if unknown := [name for name in guests if name not in names]:
            raise ConfigError(
                f"An event's port is '{unknown[0]}', which is no guest of '{cluster.name}'."
            )
        placed.append((guests, event))
    try:
        return steps_of(placed, base, length)
    except ValueError as error:
        raise ConfigError(f"The timeline cannot be: {error}.") from error


@dataclass(slots=True)
class _ServerPart:
    """What one server has of a timeline."""

    host: Host
    plan: AgentPlan
    program: RemoteProgram | None = None
    timer: rollback.RollbackTimer | None = None


class ImpairmentTimeline:
    """A timeline, from its preparation at the start of a `with` block to its end.

    In the block `start` starts it, and `wait` returns what was done when. Where the block ends
    before it, all ports are as they were at once; where the controller dies, too.

    Args:
        hosts: The servers by name.
        cluster: Whose ports are meant.
        events: What is done.
        mtu: Of the data network, in bytes of IP packet.
        length: Microseconds to the end; with the last event where not given.
        lab: The servers are stand-ins: without netem a program may delay frames.
        waited: Seconds after the start until which `wait` may be called; before that, no server
            takes its controller for dead.

    Attributes:
        steps: What is done to ports, in the order of time.
        moment: When it starts, of this machine's monotonic clock; known after `start`.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        cluster: Cluster,
        events: Sequence[ImpairmentEvent],
        *,
        mtu: int,
        length: int | None = None,
        lab: bool = False,
        waited: float = 0.0,
    ) -> None:
        self._waited = waited
        self._hosts, self._cluster, self._events = hosts, cluster, events
        self._mtu, self._length, self._lab = mtu, length, lab
        self._parts: list[_ServerPart] = []
        self._until = ExitStack()
        self._started = False
        self.moment = 0.0
        self.steps: tuple[TimelineStep, ...] = ()

    def __enter__(self) -> Self:
        """Prepare every server.

        Raises:
            FarswitchError: A server cannot do it; nothing was changed.
        """
        for server in self._cluster.servers:  # what a run that was cut off has left
            rollback.fire_all(shell(self._hosts[server.name]), self._timer)
        found = self._found()
        parts = [self._part(server.name, found[server.name]) for server in self._cluster.servers]
        self._parts = [part for part in parts if part and part.plan.steps]
        with ExitStack() as until:
            for part in self._parts:
                self._begin(part, until)
            self._until = until.pop_all()
        return self

    @property
    def _timer(self) -> str:
        return rollback.name_of(rollback.IMPAIR, self._cluster.name)

    def foreseen(self) -> tuple[TimelineStep, ...]:
        """Return the steps that there will be; change nothing."""
        self._found()
        return self.steps

    def _found(self) -> dict[str, ImpairedEnds]:
        """Look at every server, and make the steps of what is done to ports now."""
        found = {server.name: self._observed(server.name) for server in self._cluster.servers}
        base = {guest.name: self._base(guest.name, found) for guest in self._cluster.guests}
        self.steps = steps_for(self._cluster, self._events, base, self._length)
        return found

    def __exit__(self, *_: object) -> None:
        """Leave the ports as they were, unless the end was waited for; end programs and timers.

        Raises:
            FarswitchError: A server could not; its timer tries it again.
        """
        with self._until:
            left = {
                part.host.name: why
                for part in self._parts
                if self._started and part.timer and (why := self._call_off(part))
            }
            for part in self._parts:
                if part.host.name in left:
                    part.timer = None
            if left:
                why = "; ".join(f"'{server}': {error}" for server, error in left.items())
                raise FarswitchError(
                    f"Not all ports are as they were. {why}",
                    hint="Look at them: farswitch status. Bring them into order: farswitch build",
                )

    def start(self) -> None:
        """Start it on all servers at the same moment."""
        self.moment, self._started = time.monotonic() + LEAD, True
        for part in self._parts:
            assert part.program  # noqa: S101 - for the type checker
            before = time.monotonic()
            clock = part.program.ask(AgentStart(), AgentClock)
            ahead = clock.now - (before + time.monotonic()) / 2
            part.program.send(AgentStart(start=self.moment + ahead))

    def wait(self) -> list[TimelineEntry]:
        """Wait for the end, and return what was done, in the order of time.

        Where a step failed, the server's ports are made as they were; where that fails, too, its
        timer tries it again.

        Raises:
            FarswitchError: A server's program ended before.
        """
        entries = [entry for part in self._parts for entry in self._entries(part)]
        failed = {entry.server for entry in entries if entry.error}
        for part in self._parts:
            if part.host.name in failed and self._take_back(part):
                part.timer = None
            self._release(part)
        return sorted(entries, key=lambda entry: entry.began)

    def _entries(self, part: _ServerPart) -> Iterator[TimelineEntry]:
        for step in part.plan.steps:
            assert part.program  # noqa: S101 - for the type checker
            done = part.program.receive(StepDone, step.at + LEAD + patient(SECONDS))
            yield TimelineEntry(
                part.host.name, done.name, done.at, done.began, done.ended, done.error
            )

    def _observed(self, server: str) -> ImpairedEnds:
        host = self._hosts[server]
        with netlink(host).session() as ipr:
            return observe(shell(host), ipr, self._cluster.owner)

    def _base(self, guest: str, found: Mapping[str, ImpairedEnds]) -> PortImpairment:
        """Return what is done to a port now."""
        one = self._cluster.guest(guest)
        near = found[one.hypervisor].ends.get(one.tunnel)
        far = found[self._cluster.switch.name].ends.get(one.tunnel)
        if not (near and far):
            raise FarswitchError(
                f"The port of '{guest}' is not there.", hint="Build it: farswitch build"
            )
        return PortImpairment.model_construct(
            to_guest=far.done or None,
            from_guest=near.done or None,
            link=None if far.up else "down",
        )

    def _part(self, name: str, have: ImpairedEnds) -> _ServerPart | None:
        """Return what a server has to do."""
        server, host = self._cluster.server(name), self._hosts[name]
        pairs = [(step, *self._ends(server.name, step, have)) for step in self.steps]
        wanted = [end for _, _, end in pairs if end]
        able = kernel(shell(host)) if of_kernel(wanted) else KernelAbilities()
        if obstacles := refused(wanted, able, server=name, lab=self._lab):
            raise ObstaclesError(obstacles)
        steps, touched = [], {}
        for step, before, end in pairs:
            if end is None or before is None:
                continue
            change = EndChange(end, before)
            if made := changes_of(change, able, self._cluster.owner, mtu=self._mtu):
                steps.append(AgentStep(at=step.at / 1e6, name=str(step), changes=made))
                touched[step.guest] = end
        last = [
            change
            for guest, end in touched.items()
            for change in self._back(end, have.ends[end.device], able)
        ]
        steps.sort(key=_by_time)
        plan = AgentPlan(steps=steps, last=last)
        return _ServerPart(host, plan)

    def _ends(
        self, server: str, step: TimelineStep, have: ImpairedEnds
    ) -> tuple[EndState | None, PortEnd | None]:
        """Return a step's end on a server before it, and as it should be."""
        place = self._cluster.server(server)
        before, after = (
            port_ends(self._cluster, place, {step.guest: PortWish.whole(port)})
            for port in (step.before, step.after)
        )
        if not after:
            return None, None
        state = have.ends[after[0].device]
        if state.foreign and after[0].want:
            raise ForeignObjectError(
                "A queueing discipline at the root of interface", after[0].device, server
            )
        done = before[0].want
        up = state.up if before[0].up is None else before[0].up
        return EndState(state.index, up, done=done) if done is not None else None, after[0]

    def _back(self, end: PortEnd, base: EndState, able: KernelAbilities) -> list[Change]:
        """Return what makes an end as it was, whatever a timeline left of it."""
        owner = self._cluster.owner
        wish = PortEnd(end.guest, end.device, end.direction, base.done, base.up)
        anew = EndState(base.index, not base.up, fault="unknown")
        made = changes_of(EndChange(wish, anew), able, owner, mtu=self._mtu)
        return made or removal(anew, end.device, owner)

    def _begin(self, part: _ServerPart, until: ExitStack) -> None:
        """Arm a server's timer, and start its program."""
        login = shell(part.host)
        end = max(step.at for step in part.plan.steps)
        seconds = int(max(end, self._waited) + LEAD) + MARGIN
        part.timer = rollback.start(login, self._timer, script_of(part.plan.last), seconds)
        until.callback(self._release, part)
        program = RemoteProgram(
            login,
            command("impair_agent"),
            name="impairments' program",
            seconds=seconds + patient(SECONDS),
        )
        part.program = until.enter_context(program)
        part.program.send(part.plan)

    def _call_off(self, part: _ServerPart) -> str:
        """Have a server's program leave the ports as they were; return why they are not."""
        assert part.program  # noqa: S101 - for the type checker
        try:
            part.program.send(AgentStart())
            while not isinstance(end := part.program.receive(AgentReport).root, AgentEnd):
                pass
        except RemoteProgramError:
            return self._take_back(part)
        return end.error

    @staticmethod
    def _take_back(part: _ServerPart) -> str:
        """Make a server's ports as they were; return why they are not."""
        script = ("sh", "-c", script_of(part.plan.last))
        printed = shell(part.host).run(script, timeout=patient(SECONDS)).stdout
        done = map(StepDone.model_validate_json, printed.splitlines())
        return "; ".join(one.error for one in done if one.error)

    @staticmethod
    def _release(part: _ServerPart) -> None:
        """End a server's timer: nothing is left for it to undo."""
        if part.timer:
            rollback.confirm(shell(part.host), part.timer)
            part.timer = None


def _by_time(step: AgentStep) -> tuple[float, bool]:
    """Sort steps by their moments; of one moment, what has to start a program comes last."""
    return step.at, any("start" in change for change in step.changes)
