"""A timer on a server that undoes a change by itself unless the change is confirmed in time.

It needs neither the controller nor its login: systemd runs it where there is one, else a process
in a session of its own does. To fire and to confirm is to rename one file, and only one of two can:
after a confirmation nothing fires. See `farswitch/remote/rollback_timer.sh`.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import CommandError, Completed
from farswitch.errors import FarswitchError
from farswitch.remote import script

FOLDER = "/run/farswitch-deadman"
EXCHANGE, ENDING, LOCAL, CONTROL = "exchange", "ending", "local", "control"
"""The kinds of the timers that give ports back to a switch, that end one which is left beside
another, that give guests their own bridges back, and of verify's, which bring a port up."""
IMPAIR = "impair"
"""The kind of those that take impairments off ports."""
MATRIX = "matrix"
"""The kind of those that end a count: what is counted by nobody."""
SAVE, RESTORE = "save", "restore"
"""The kinds of those that let guests go on which stand still for a snapshot: as they were before,
and all as they were saved."""
HOLDING = (SAVE, RESTORE)
"""The kinds of the timers until which guests stand still: nobody else can let them go on."""
UNDO_SECONDS = 60
"""An undo that takes longer is ended by the script, where nothing else was said."""
MOST_HOLD_SECONDS = 1800
"""The longest that guests stand still for a snapshot, and that a server takes to end it itself."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SCRIPT = script("rollback_timer")


@dataclass(frozen=True, slots=True)
class RollbackTimer:
    """A timer on a server; `id` is its name and a word that no other timer has."""

    id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Rollback:
    """How the undo of a timer that fired has ended."""

    id: str
    status: int
    output: str

    def __str__(self) -> str:
        output = f": {self.output}" if self.output else ""
        return f"undone with status {self.status}{output}"


@dataclass(frozen=True, slots=True)
class Timers:
    """The timers of a name: the age in seconds of those that run, and those that fired."""

    pending: dict[str, int]
    fired: tuple[Rollback, ...]


class TimerGoneError(FarswitchError):
    """A server has no such timer: it was rebooted, or the change was confirmed before."""

    def __init__(self, server: str, timer: str, folder: str) -> None:
        super().__init__(
            f"The timer '{timer}' is not on '{server}' any more: was it rebooted?",
            hint=f"Look: ls {folder}",
        )
        self.server = server
        self.timer = timer


def name_of(kind: str, cluster: str) -> str:
    """Return the name of a cluster's timers for one kind of change."""
    return f"{kind}-{cluster}"


def kind_of(timer: str) -> str:
    """Return of which kind a timer is, by its name or its id."""
    return timer.partition("-")[0]


def start(
    login: Shell,
    name: str,
    undo: Sequence[str] | str,
    seconds: int,
    *,
    limit: int = UNDO_SECONDS,
    folder: str = FOLDER,
) -> RollbackTimer:
    """Have a server undo a change `seconds` from now, whatever becomes of us.

    The name is what is undone, as in `control-lab`; several timers may have the same. `undo` is a
    command, or a script for `sh`: never an argument of a process, so it may hold what others must
    not see. It is ended after `limit` seconds.

    Raises:
        FarswitchError: The server could not be given the timer: nothing will be undone.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a timer cannot have the name {name!r}")
    timer = RollbackTimer(f"{name}.{secrets.token_hex(4)}", seconds)
    text = undo if isinstance(undo, str) else shlex.join(undo)
    program, change = _SCRIPT.encode(), f"{text}\n".encode()
    numbers = (seconds, limit, len(program), len(program) + len(change))
    done = _run(login, "start", folder, timer.id, *map(str, numbers), stdin=program + change)
    if done.status != 0:
        about = ("rollback_timer.sh", "start", folder, timer.id)
        raise CommandError(login.host, about, done.status, done.stderr)
    return timer


def confirm(login: Shell, timer: RollbackTimer, *, folder: str = FOLDER) -> bool:
    """Confirm a change: stop its timer.

    True: it had not fired, and never will. False: it had, and its undo has ended.

    Raises:
        TimerGoneError: The server was rebooted, or this is the second call for the timer.
    """
    state = _run(login, "confirm", folder, timer.id).stdout.strip()
    if state == "gone":
        raise TimerGoneError(login.host, timer.id, folder)
    return state == "confirmed"


def confirm_all(login: Shell, *names: str, folder: str = FOLDER) -> bool:
    """Confirm all changes of some names; return whether none of their timers has fired."""
    timers = list_timers(login, *names, folder=folder)
    confirmed = [confirm(login, RollbackTimer(one, 0), folder=folder) for one in timers.pending]
    return all(confirmed) and not timers.fired


def fire_all(login: Shell, name: str, *, folder: str = FOLDER) -> bool:
    """Have a server undo now what timers of a name guard, which runs that were cut off have left.

    Return whether there was one. Of a run that goes on nobody may take the timer: call it with the
    cluster's lock held.
    """
    pending = list_timers(login, name, report=False, folder=folder).pending
    for one in pending:
        _run(login, "fire", folder, one)
    return bool(pending)


def confirmation(name: str, *, folder: str = FOLDER) -> str:
    """Return a script that confirms all timers of a name, by what they left on the server."""
    return (
        f'for run in {folder}/{name}.*.run; do id="${{run##*/}}"; '
        f'[ ! -e "$run" ] || sh "$run" confirm {folder} "${{id%.run}}" >/dev/null; done'
    )


def list_timers(login: Shell, *names: str, report: bool = True, folder: str = FOLDER) -> Timers:
    """Return the timers of some names on a server; an undo that is under way is waited for.

    In a name `*` stands for any letters. With `report` the timers say how an undo ended, which is
    reported once and then gone.
    """
    pending: dict[str, int] = {}
    fired: list[Rollback] = []
    patterns = (f"{name}.*" for name in names)
    done = _run(login, "list", folder, "yes" if report else "no", *patterns)
    for line in done.stdout.splitlines():
        kind, timer, rest = line.split(" ", 2)
        number, _, output = rest.partition(" ")
        if kind == "pending":
            pending[timer] = int(number)
        else:
            fired.append(Rollback(timer, int(number or 1), output.strip()))
    return Timers(pending, tuple(fired))


def _run(login: Shell, action: str, *arguments: str, stdin: bytes = b"") -> Completed:
    """Run the script, which waits for an undo that is under way for as long as that may take."""
    held = any(kind_of(word) in HOLDING for word in arguments)
    longest = MOST_HOLD_SECONDS if held and action != "start" else UNDO_SECONDS
    argv = ("sh", "-c", _SCRIPT, "rollback", action, *arguments)
    return login.run(argv, stdin=stdin, timeout=longest + 30.0, check=action != "start")
