"""What is wanted of a program that is a switch, what is found of it, and what is wrong with it."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from farswitch.model.switch import SwitchPort, SwitchState

PORTS, PORTS_FILE, FILE = "{ports}", "{ports_file}", "{file}"
"""What stands in a command for the devices, and for the paths of two files."""
WORDS = 300
"""Characters of its last words that a message quotes."""

SHORT = 10.0
"""Seconds below which a time is given with a tenth."""


class ProgramDocument(BaseModel):
    """What is written for the server's programs, or by them."""

    model_config = ConfigDict(frozen=True)


class ProgramPort(ProgramDocument):
    """A port in the file that a program gets."""

    number: int
    device: str
    guest: str
    mac: str
    vni: int
    mtu: int

    @classmethod
    def of(cls, port: SwitchPort) -> ProgramPort:
        """Return what a program is told of a port."""
        return cls(**{name: getattr(port, name) for name in cls.model_fields})


class ProgramWish(ProgramDocument):
    """A program as it is wanted: two that are equal need no change.

    Attributes:
        command: As the site has it.
        file: The name of the file that is uploaded, and `sha256` its digest; empty without one.
    """

    command: tuple[str, ...]
    ports: tuple[ProgramPort, ...]
    ready: str | None = None
    ready_timeout: int = 30
    stop: int = 5
    restart: bool = False
    container: bool | int = False
    file: str = ""
    sha256: str = ""

    @property
    def name(self) -> str:
        """What messages call it: its program."""
        return self.file if self.command[0] == FILE else self.command[0]

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(port.device for port in self.ports)

    def argv(self, ports_file: str, file: str) -> list[str]:
        """Return the command as it is run."""
        argv: list[str] = []
        for word in self.command:
            if word == PORTS:
                argv += self.devices
            else:
                argv.append(word.replace(PORTS_FILE, ports_file).replace(FILE, file))
        return argv


class Program(ProgramDocument):
    """A program as it was found on the server; see `farswitch/remote/switch_programs.py`.

    Attributes:
        id: What tells it from another of the same cluster.
        wish: What was wanted when it was started; None where only a part of it is left.
        supervised, alive: Whether its supervisor and it run; `pid` is its own.
        since: When it began, in seconds since 1970; `age` is how long ago that is.
        ready_after: Seconds from its start on; None where it is not ready.
        ended: Its exit code, or less than 0: the signal that killed it. `lasted` is its time.
        error: Why it could not be started.
        restarts: How often its supervisor has started it again.
        sha256: Of the file that the command's first word names; empty where it cannot be read.
        stale: The ports that are not there any more, or were made anew since its start.
        faults: What is not as it was made where its ports are, of a container's network.
        words: The last that it wrote.
    """

    cluster: str
    id: str
    wish: ProgramWish | None = None
    supervised: bool = False
    alive: bool = False
    pid: int = 0
    since: float = 0.0
    age: float = 0.0
    ready_after: float | None = None
    ended: int | None = None
    lasted: float = 0.0
    error: str = ""
    restarts: int = 0
    sha256: str = ""
    stale: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    words: str = ""

    @field_validator("wish", mode="before")
    @classmethod
    def _of_this_release(cls, value: Any) -> Any:
        """Take what another release wished for as nothing that we know: it is started anew."""
        try:
            return None if value is None else ProgramWish.model_validate(value)
        except ValidationError:
            return None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.wish.name if self.wish else self.id

    @property
    def held(self) -> frozenset[str]:
        """The devices that it serves."""
        if self.wish is None or self.ready_after is None or not self.alive:
            return frozenset()
        return frozenset(self.wish.devices) - frozenset(self.stale)

    @property
    def end(self) -> str:
        """How it ended, or what else keeps it from its ports; empty for one that serves them."""
        return self._end_of_life() or self._obstacle()

    def fault(self) -> str:
        """Return a sentence of why it does not forward; empty where it does."""
        if self.wish is None:
            return f"A program of cluster '{self.cluster}' was left half started, or half removed."
        if not self.end:
            return ""
        words = last_words(self.words)
        said = f"its last words: {words}" if words else "it has written nothing"
        return f"The program '{self.name}' of cluster '{self.cluster}' {self.end}; {said}"

    def _end_of_life(self) -> str:
        restarts = self.supervised and self.wish is not None and self.wish.restart
        again = "; it is being started anew" if restarts and self.ready_after is not None else ""
        if self.error:
            return f"could not be started: {self.error}"
        if self.alive:
            return "" if self.supervised else "has lost its supervisor, which was killed"
        if self.ended is None:
            return "ended with its supervisor, which was killed"
        how = f"ended with exit code {self.ended}" if self.ended >= 0 else _killed(-self.ended)
        lasted = f"{self.lasted:.{int(self.lasted < SHORT)}f}"
        return f"{how} {lasted} s after its start{again}"

    def _obstacle(self) -> str:
        if self.stale:
            devices = ", ".join(f"'{device}'" for device in self.stale)
            return f"does not hold {devices}: made anew, or gone, since its start"
        if self.faults:
            return f"is not as it was started: {'; '.join(self.faults)}"
        if self.ready_after is not None or self.wish is None:
            return ""
        if self.age < self.wish.ready_timeout:
            return f"is not ready yet, {self.age:.0f} s after its start"
        wanted = f": no line of its output matches '{self.wish.ready}'" if self.wish.ready else ""
        return f"is not ready after {self.wish.ready_timeout} s{wanted}"


@dataclass(frozen=True, slots=True)
class ProgramState(SwitchState):
    """All programs of a cluster, the latest first.

    Attributes:
        sha256: Of the file on the controller that is to be uploaded; empty without one.
        unread: Why that file cannot be read.
    """

    programs: tuple[Program, ...] = ()
    sha256: str = ""
    unread: str = ""

    @classmethod
    def of(cls, found: Sequence[Program], sha256: str = "", unread: str = "") -> ProgramState:
        """Sort out what was found."""
        programs = tuple(sorted(found, key=lambda program: (program.wish is None, program.age)))
        held = frozenset[str]().union(*(program.held for program in programs))
        return cls(held, programs[0].fault() if programs else "", programs, sha256, unread)


def typed(command: Sequence[str]) -> str:
    """Return a command as one would type it."""
    return " ".join(word if word in {PORTS, FILE} else shlex.quote(word) for word in command)


def last_words(text: str) -> str:
    """Return the end of what a program wrote, on one line."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= WORDS else f"…{line[-WORDS:]}"


def _killed(number: int) -> str:
    try:
        return f"was killed by signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"was killed by signal {number}"
