"""The programs that are switches on a server: which there are, starting one, stopping one.

Several programs of a cluster may run side by side, each with an id of its own, so that a new one
can be started before the old one is stopped.
"""

from __future__ import annotations

import base64
import json
import secrets

from nornir.core.inventory import Host
from pydantic import BaseModel, ValidationError

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import CommandError
from farswitch.errors import FarswitchError
from farswitch.model.owner import Owner
from farswitch.remote import command, source
from farswitch.remote.switch_programs import FILES, STATES, STUBBORN
from farswitch.switches.program_state import Program, ProgramWish
from farswitch.templates import render_template

SECONDS = 30.0
"""For what the server does beside waiting for the program."""
UPLOAD_SECONDS = 120.0


class ProgramsReply(BaseModel):
    """What the server's program prints."""

    programs: tuple[Program, ...]


class ProgramStartError(FarswitchError):
    """A program ended at its start, or was not ready in time; nothing of it is left."""

    def __init__(self, host: str, program: Program) -> None:
        super().__init__(
            f"{program.fault()} ('{host}').",
            hint="Nothing of it is left running there. Run it there by hand, with the same "
            "arguments; they stand in the site under 'switch'.",
        )
        self.program = program


def programs(host: Host, cluster: str = "") -> tuple[Program, ...]:
    """Return what there is of a cluster's programs, or of those of all."""
    return _asked(host, "list", *([cluster] if cluster else []))


def start(host: Host, owner: Owner, wish: ProgramWish, content: bytes = b"") -> Program:
    """Start a program beside what runs, and wait until it is ready.

    Args:
        host: The server.
        owner: The cluster.
        wish: The program.
        content: Of the file that is uploaded, where the program has one.

    Raises:
        ProgramStartError: It ended, or was not ready in time.
    """
    name = secrets.token_hex(4)
    folder, files = STATES / owner.cluster / name, FILES / owner.cluster / name
    guard = render_template("switches/guard_container.nft.j2", ports=wish.devices, owner=owner)
    document = {
        "wish": wish.model_dump(mode="json"),
        "argv": wish.argv(f"{folder}/ports.json", f"{files}/{wish.file}"),
        "supervisor": source("switch_program"),
        "table": owner.guard_table,
        "guard": guard,
        "content": base64.b64encode(content).decode(),
    }
    seconds = wish.ready_timeout + wish.stop + (UPLOAD_SECONDS if content else SECONDS)
    (program,) = _asked(
        host, "start", owner.cluster, name, stdin=json.dumps(document), seconds=seconds
    )
    if program.ready_after is None or not program.alive:
        raise ProgramStartError(shell(host).host, program)
    return program


def stop(host: Host, owner: Owner, program: Program) -> None:
    """End a program: by SIGTERM, then SIGKILL; all that it started ends, and nothing is left.

    Raises:
        FarswitchError: The kernel does not end it.
    """
    seconds = program.wish.stop if program.wish else 1
    argv = (owner.cluster, program.id, str(seconds))
    try:
        _asked(host, "stop", *argv, seconds=seconds + SECONDS)
    except CommandError as error:
        if error.status != STUBBORN:
            raise
        raise FarswitchError(
            f"The program '{program.name}' of cluster '{owner.cluster}' on '{error.host}' does "
            "not end, even by SIGKILL.",
            hint=f"Look what it waits for: cat /proc/{program.pid}/stack; else reboot.",
        ) from error


def _asked(
    host: Host, *arguments: str, stdin: str = "", seconds: float = SECONDS
) -> tuple[Program, ...]:
    login = shell(host)
    done = login.run(
        command("switch_programs", *arguments), stdin=stdin, timeout=seconds, check=False
    )
    about = ("switch_programs.py", *arguments)
    if done.status != 0:
        raise CommandError(login.host, about, done.status, done.stderr)
    try:
        return ProgramsReply.model_validate_json(done.stdout).programs
    except ValidationError as error:
        raise CommandError(login.host, about, 0, f"it printed {done.stdout!r}") from error
