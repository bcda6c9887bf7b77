"""Any program of the user's: it gets the far ends of plain ports, which carry whole frames."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Self

from nornir.core.inventory import Host
from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
)

from farswitch.errors import ConfigError
from farswitch.home import expand_home
from farswitch.model.field_types import Flag, number, refuse_if, refuse_no_file, text
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort, SwitchState, Traits
from farswitch.remote import command
from farswitch.remote.port_namespace import PortNamespace
from farswitch.switches import program_host
from farswitch.switches.program_state import (
    FILE,
    Program,
    ProgramPort,
    ProgramState,
    ProgramWish,
    typed,
)

PID_MAX = 1 << 22
_PROGRAM = re.compile(r"(/[^/\0]+)+|[A-Za-z0-9_][A-Za-z0-9_.+-]*|\{file\}")


def parse_command(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Return a command: a program that is found whatever the current folder is, its arguments."""
    refuse_if(not isinstance(value, list | tuple) or not value)
    words = tuple(value) if isinstance(value, list | tuple) else ()
    refuse_if(any(not isinstance(word, str) or "\0" in word for word in words))
    refuse_if(not _PROGRAM.fullmatch(words[0]))
    uploads = any(FILE in word for word in words)
    refuse_if("file" in info.data and uploads != (info.data["file"] is not None))
    return words


def parse_regex(value: str) -> str:
    """Return a regular expression that Python takes."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError from error
    return value


def parse_container(value: object) -> bool | int:
    """Return whether the ports go elsewhere, or to which process (PID_MAX_LIMIT of Linux)."""
    if not isinstance(value, bool) and not (isinstance(value, int) and 1 < value <= PID_MAX):
        raise ValueError
    return value


Words = Annotated[
    tuple[str, ...],
    PlainValidator(parse_command),
    PlainSerializer(list, return_type=list[str]),
    Field(
        title="a list of texts, the first an absolute path, a program's name or '{file}'; "
        "'{file}' in it just where 'file' is given"
    ),
]
Upload = Annotated[
    str, text("[!-~]+", "a file's path without spaces"), AfterValidator(refuse_no_file)
]
Container = Annotated[
    bool | int,
    PlainValidator(parse_container),
    Field(title="true, false, or the number of a process from 2 to 4194304"),
]
Regex = Annotated[
    str, Field(min_length=1, title="a regular expression of Python"), AfterValidator(parse_regex)
]


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """One step of a plan: which programs end, and which one begins after that."""

    line: str
    stops: tuple[Program, ...] = ()
    starts: ProgramWish | None = None

    def __str__(self) -> str:
        return self.line


class ProgramSwitch(Switch):
    """A program of the user's, run and watched on the switch server."""

    kind: ClassVar[str] = "program"

    file: Upload | None = None
    """a file on the controller that is uploaded for the program, with mode 0700: the program
    itself, or what it reads; relative paths start at the site's folder"""
    command: Words
    """what is run: `{ports}` becomes the ports' interfaces, each an argument, `{ports_file}` the
    path of a JSON file that describes them, `{file}` the path of the uploaded file"""
    ready: Regex | None = None
    """what is searched for in each line of the program's output: from then on it counts as ready.
    Without it, it does when it has run for a second"""
    ready_timeout: Annotated[int, number(1, 3600, unit="seconds")] = 30
    """how long it may take from its start until it is ready"""
    stop: Annotated[int, number(0, 600, unit="seconds")] = 5
    """how long it may take to end after SIGTERM, before SIGKILL"""
    container: Container = False
    """the network namespace that has the ports, and in which the program runs: `true`, one of the
    cluster's own, or that of a process, by its number on the server"""
    restart: Flag = False
    """`true`: it is started again when it ends by itself after it was ready; off, because a switch
    under test that has crashed should be seen"""

    @property
    def traits(self) -> Traits:
        return Traits("plain port", "socket", places=False)

    def namespace(self, owner: Owner) -> str:
        return PortNamespace(self.container, owner.cluster).path if self.container else ""

    def beside(self, folder: Path) -> Self:
        """Return it with the path of its file starting at the site's folder."""
        if self.file is None:
            return self
        return self.model_copy(update={"file": str(folder / expand_home(self.file))})

    def observe(self, host: Host, owner: Owner) -> ProgramState:
        """Look at the cluster's programs, and at the file that is to be uploaded."""
        sha256 = unread = ""
        try:
            sha256 = hashlib.sha256(self.content()).hexdigest() if self.file else ""
        except OSError as error:
            unread = error.strerror or str(error)
        return ProgramState.of(program_host.programs(host, owner.cluster), sha256, unread)

    def plan(
        self, have: SwitchState, ports: Sequence[SwitchPort], _owner: Owner
    ) -> list[ProgramChange]:
        """Compare the latest program with what is wanted; every other one ends.

        Raises:
            ConfigError: The file that is to be uploaded cannot be read.
        """
        assert isinstance(have, ProgramState)  # noqa: S101 (it comes from `observe`)
        if not ports:
            return [_removal(program) for program in have.programs]
        if have.unread:
            raise ConfigError(
                f"The file '{self.file}' of the switch cannot be read: {have.unread}.",
                hint="Correct 'file' under 'switch: program' in the site.",
            )
        wish = self._wish(ports, have.sha256)
        latest, older = have.programs[:1], have.programs[1:]
        return [*map(_removal, older), *_changes(latest[0] if latest else None, wish)]

    def apply(self, host: Host, owner: Owner, changes: Sequence[ProgramChange]) -> None:
        """End what has to, then start what is wanted.

        Raises:
            ProgramStartError: It ended at its start, or was not ready in time: none runs now.
        """
        for change in changes:
            content = self.content() if change.starts else b""
            for program in change.stops:
                program_host.stop(host, owner, program)
            if change.starts:
                program_host.start(host, owner, change.starts, content)

    def content(self) -> bytes:
        """Return what is in the file that is uploaded; nothing without one."""
        return Path(self.file).read_bytes() if self.file else b""

    def beginning(self, changes: Sequence[ProgramChange]) -> list[ProgramChange]:
        """Return the start alone: the earlier program goes on beside it."""
        return [replace(change, stops=()) for change in changes if change.starts]

    def members(self, have: SwitchState, _owner: Owner) -> frozenset[str]:
        """Return the ids of all programs of the cluster."""
        assert isinstance(have, ProgramState)  # noqa: S101 (it comes from `observe`)
        return frozenset(program.id for program in have.programs)

    def ending(self, owner: Owner, spared: Collection[str]) -> str:
        """Return what ends the programs of other ids."""
        return shlex.join(command("switch_programs", "end", owner.cluster, *sorted(spared)))

    @property
    def start_seconds(self) -> float:
        return float(self.ready_timeout + self.stop)

    def describe(self, host: Host, owner: Owner) -> Mapping[str, str]:
        """Return the command, digests of its files and since when it runs."""
        for program in ProgramState.of(program_host.programs(host, owner.cluster)).programs:
            if program.wish:
                since = datetime.fromtimestamp(program.since, UTC).isoformat(timespec="seconds")
                rows = {
                    "command": typed(program.wish.command),
                    "sha256": program.sha256,
                    "file sha256": program.wish.sha256,
                    "since": since,
                    "restarts": str(program.restarts or ""),
                }
                return {name: row for name, row in rows.items() if row}
        return {}

    @classmethod
    def leftovers(cls, host: Host) -> Mapping[str, Sequence[str]]:
        """Return the programs of all clusters."""
        found: dict[str, list[str]] = {}
        for program in program_host.programs(host):
            found.setdefault(program.cluster, []).append(f"program {program.name}")
        return found

    @classmethod
    def remove(cls, host: Host, owner: Owner) -> None:
        """End all programs of a cluster."""
        for program in program_host.programs(host, owner.cluster):
            program_host.stop(host, owner, program)

    def _wish(self, ports: Sequence[SwitchPort], sha256: str) -> ProgramWish:
        return ProgramWish(
            command=self.command,
            ports=tuple(ProgramPort.of(port) for port in ports),
            ready=self.ready,
            ready_timeout=self.ready_timeout,
            stop=self.stop,
            restart=self.restart,
            container=self.container,
            file=Path(self.file or "").name,
            sha256=sha256,
        )


def _removal(program: Program) -> ProgramChange:
    what = f"program {program.name}" if program.wish else f"what is left of program {program.id}"
    return ProgramChange(f"- {what}", (program,))


def _changes(have: Program | None, want: ProgramWish) -> list[ProgramChange]:
    count = f"{len(want.ports)} port{'s' if want.ports[1:] else ''}"
    if have is None or have.wish is None:
        return [
            *([_removal(have)] if have else []),
            ProgramChange(f"+ program {want.name} ({count})", starts=want),
        ]
    reasons = [*_differences(have.wish, want)]
    if have.end:
        reasons.append(f"started anew, as the old one {have.end}")
    if not reasons:
        return []
    line = f"~ program {want.name}: {'; '.join(reasons)}"
    return [ProgramChange(line, (have,), want)]


def _file(wish: ProgramWish) -> str:
    return f"{wish.file} (sha256 {wish.sha256[:12]}…)" if wish.file else "none"


def _differences(have: ProgramWish, want: ProgramWish) -> list[str]:
    found = []
    if have.command != want.command:
        found.append(f"command {typed(have.command)} -> {typed(want.command)}")
    if have.ports != want.ports:
        gone = [f"-{device}" for device in have.devices if device not in want.devices]
        more = [f"+{device}" for device in want.devices if device not in have.devices]
        found.append(f"ports {' '.join([*gone, *more]) or 'changed'}")
    if (have.file, have.sha256) != (want.file, want.sha256):
        found.append(f"file {_file(have)} -> {_file(want)}")
    for name in ("ready", "ready_timeout", "stop", "restart", "container"):
        old, new = getattr(have, name), getattr(want, name)
        if old != new:
            found.append(f"{name} {old} -> {new}")
    return found
