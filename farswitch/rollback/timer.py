"""A timer on a server that undoes a change by itself unless it is disarmed in time.

It needs neither the controller nor its login: systemd runs it where there is one, else a process
in a session of its own does. To fire and to disarm is to rename one file, and only one of two can:
after a confirmed disarm nothing fires.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.connections.shell.protocol import CommandError, Shell
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster

FOLDER = "/run/farswitch-deadman"
"""Files of a timer: ID.run (its program), ID.armed (the undo), then ID.fired, then ID.said (how
the undo ended, until somebody reads it). A reboot takes them, and what they would undo."""
CONTROL = "control"
"""The kind of verify's timers, which bring a port of the switch up again."""
UNDO_SECONDS = 60
"""An undo that takes longer is ended."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

# The file is named on the command line, and so recognised, but what it undoes is not to be seen.
_RUN = f"""\
# sh ID.run FOLDER ID SECONDS; first it tells its pid and lets go of the login's pipes
umask 077
cd "$1" || exit
echo "$$"
exec </dev/null >/dev/null 2>&1
sleep "$3"
rm -f -- "$2.run" "$2.pid" "$2.part" "$2.armed.part"
if mv -T -- "$2.armed" "$2.fired"; then
  log=$2.log
  true 2>/dev/null >"$log" || log=/dev/null  # where there is no room, undo it all the same
  timeout -k 2 {UNDO_SECONDS} sh "$2.fired" >"$log" 2>&1
  {{ echo "$?"; tail -c 2000 "$log"; }} >"$2.part"
  mv -T -- "$2.part" "$2.said"
  rm -f -- "$2.fired" "$2.log"
fi
cd / && rmdir -- "$1"
exit 0
"""
# The timer first: cut off in between, it fires and finds nothing. Another's end may remove the
# folder until there is a file in it. Standard input: the timer's program, then the undo. systemd
# would run it in its own network, which a server within a namespace does not have.
_ARM = """\
set -u
umask 077
folder=$1 id=$2 seconds=$3 split=$4 size=$5
tries=0
until { mkdir -p -- "$folder" && : >"$folder/$id.part"; } 2>/dev/null; do
  tries=$((tries + 1))
  if [ $tries -gt 50 ]; then echo "cannot write to $folder" >&2; exit 73; fi
done
cd "$folder" || exit
armed=no
finish() {
  rm -f -- "$id.part" "$id.armed.part"
  if [ $armed = no ]; then
    rm -f -- "$id.run" "$id.pid" "$id.armed"
    cd / && rmdir -- "$folder" 2>/dev/null
  fi
}
trap finish EXIT
trap 'exit 129' HUP INT TERM PIPE
cat >"$id.part"
if [ "$(wc -c <"$id.part")" -ne "$size" ]; then echo "the input was cut" >&2; exit 65; fi
head -c "$split" "$id.part" >"$id.run" || exit
if [ -d /run/systemd/system ] && [ /proc/1/ns/net -ef /proc/self/ns/net ]; then
  systemd-run --quiet --collect --unit="farswitch-deadman-$id" --on-active="${seconds}s" \
    --timer-property=AccuracySec=100ms sh "$folder/$id.run" "$folder" "$id" 0 >&2 || exit
else
  pid=$(setsid sh "$folder/$id.run" "$folder" "$id" "$seconds" </dev/null 2>/dev/null &)
  case $pid in ''|*[!0-9]*) echo "no process could be started" >&2; exit 71;; esac
  echo "$pid" >"$id.pid"
fi
tail -c "+$((split + 1))" "$id.part" >"$id.armed.part" || exit
mv -T -- "$id.armed.part" "$id.armed" && armed=yes
"""
_DISARM = f"""\
cd "$1" 2>/dev/null || {{ echo gone; exit; }}
if mv -T -- "$2.armed" "$2.off" 2>/dev/null; then
  if [ -e "$2.pid" ]; then
    pid=$(cat "$2.pid")
    if tr '\\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$2.run"; then
      kill -s KILL -- "-$pid" 2>/dev/null
    fi
  else
    systemctl stop "farswitch-deadman-$2.timer" 2>/dev/null
  fi
  rm -f -- "$2.off" "$2.run" "$2.pid"
  cd / && rmdir -- "$1" 2>/dev/null
  echo disarmed
  exit
fi
tries=0
while [ -e "$2.fired" ] && [ $tries -lt {10 * UNDO_SECONDS} ]; do
  tries=$((tries + 1))
  sleep 0.1
done
if [ -e "$2.fired" ] || [ -e "$2.said" ]; then echo fired; else echo gone; fi
"""
_LOOK = f"""\
cd "$1" 2>/dev/null || exit 0
tell=$2
shift 2
fired() {{
  for name; do for file in $name.fired; do [ ! -e "$file" ] || echo "$file"; done; done
}}
tries=0
while [ -n "$(fired "$@")" ] && [ $tries -lt {10 * UNDO_SECONDS + 50} ]; do
  tries=$((tries + 1))
  sleep 0.1
done
for file in $(fired "$@"); do
  printf '1\\nnobody saw its end' >"${{file%.fired}}.said"
  rm -f -- "$file"
done
for name; do
  for file in $name.armed; do
    since=$(stat -c %Y -- "$file" 2>/dev/null) || continue
    echo "armed ${{file%.armed}} $(($(date +%s) - since))"
  done
  for file in $name.said; do
    [ "$tell" = yes ] && [ -e "$file" ] || continue
    echo "said ${{file%.said}} $(tr '\\n' ' ' <"$file")" && rm -f -- "$file"
  done
done
cd / && rmdir -- "$1" 2>/dev/null
exit 0
"""


@dataclass(frozen=True, slots=True)
class Armed:
    """A timer on a server; `id` is its name and a word that no other timer has."""

    id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the undo of a timer that fired has ended."""

    id: str
    status: int
    said: str

    def __str__(self) -> str:
        said = f": {self.said}" if self.said else ""
        return f"undone with status {self.status}{said}"


@dataclass(frozen=True, slots=True)
class Found:
    """The timers of a name: the age in seconds of those that are armed, and who fired."""

    armed: dict[str, int]
    fired: tuple[Outcome, ...]


class TimerGoneError(FarswitchError):
    """A server has no such timer: it was rebooted, or the timer was disarmed before."""

    def __init__(self, server: str, timer: str, folder: str) -> None:
        super().__init__(
            f"The timer '{timer}' is not on '{server}' any more: was it rebooted?",
            hint=f"Look: ls {folder}",
        )
        self.server = server
        self.timer = timer


def name_of(what: str, cluster: Cluster) -> str:
    """Return the name of a cluster's timers for one kind of change."""
    return f"{what}-{cluster.name}"


def arm(
    login: Shell, name: str, undo: Sequence[str] | str, seconds: int, *, folder: str = FOLDER
) -> Armed:
    """Have a server undo a change after a time, whatever becomes of us.

    Args:
        login: To the server.
        name: What is undone, as in `control-lab`; several timers may have the same.
        undo: A command, or a script for `sh`. It is never an argument of a process, so it may hold
            what others must not see.
        seconds: From now on.
        folder: Where the server keeps its timers.

    Raises:
        FarswitchError: The server could not be given the timer: nothing will be undone.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a timer cannot have the name {name!r}")
    armed = Armed(f"{name}.{secrets.token_hex(4)}", seconds)
    text = undo if isinstance(undo, str) else shlex.join(undo)
    program, script = _RUN.encode(), f"{text}\n".encode()
    sizes = (str(len(program)), str(len(program) + len(script)))
    argv = ("sh", "-c", _ARM, "deadman", folder, armed.id, str(seconds), *sizes)
    done = login.run(argv, stdin=program + script, check=False)
    if done.status != 0:
        about = ("sh", "-c", "…", "deadman", folder, armed.id)
        raise CommandError(login.host, about, done.status, done.stderr)
    return armed


def disarm(login: Shell, armed: Armed, *, folder: str = FOLDER) -> bool:
    """Stop a timer.

    Returns:
        True: it had not fired, and never will. False: it had, and its undo has ended.

    Raises:
        TimerGoneError: The server was rebooted, or this is the second call for the timer.
    """
    argv = ("sh", "-c", _DISARM, "deadman", folder, armed.id)
    said = login.run(argv, timeout=UNDO_SECONDS + 30.0).stdout.strip()
    if said == "gone":
        raise TimerGoneError(login.host, armed.id, folder)
    return said == "disarmed"


def look(login: Shell, *names: str, tell: bool = True, folder: str = FOLDER) -> Found:
    """Return the timers of some names on a server; an undo that is under way is waited for.

    Args:
        login: To the server.
        names: Of timers; `*` stands for any letters.
        tell: Return how an undo ended, which is told once and then gone.
        folder: Where the server keeps its timers.
    """
    armed: dict[str, int] = {}
    fired: list[Outcome] = []
    patterns = (f"{name}.*" for name in names)
    argv = ("sh", "-c", _LOOK, "deadman", folder, "yes" if tell else "no", *patterns)
    for line in login.run(argv, timeout=UNDO_SECONDS + 30.0).stdout.splitlines():
        kind, timer, rest = line.split(" ", 2)
        first, _, more = rest.partition(" ")
        if kind == "armed":
            armed[timer] = int(first)
        else:
            fired.append(Outcome(timer, int(first or 1), more.strip()))
    return Found(armed, tuple(fired))
