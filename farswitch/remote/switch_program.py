"""Run the program that is a cluster's switch, and keep what becomes of it: its supervisor.

Usage: python3 supervisor.py run FOLDER

FOLDER has want.json (the command, and what was wished for), and gets state.json and output: the
last bytes that the program wrote. SIGTERM ends the program and all that it started, then this one.

The program dies with its supervisor (PR_SET_PDEATHSIG), and nothing but that ends a supervisor
early: it has a session of its own and takes no notice of SIGHUP. Python 3.8 or later.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple  # noqa: UP035 - Python 3.8

PORTS = "FARSWITCH_PORTS"
"""Names the file of the ports; as no two programs have the same file, it is also what tells the
processes of one from all others."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
F_SETPIPE_SZ = 1031  # linux/fcntl.h
PIPE = 1 << 20
BLOCK = 1 << 16
KEPT = 16 << 10
"""Bytes of its output that are kept."""
LONGEST_LINE = 4096
"""Bytes of a line that `ready` is searched for in, where the line comes in pieces."""
GAP = 0.2
"""Seconds between two writings of the output's file: a flood costs no more than that."""
SETTLED = 1.0
"""Seconds after which a program without `ready` counts as ready: most mistakes end one sooner."""
AGAIN = 1.0
"""Seconds between the end of a program and its restart."""
KILLED = 5.0
"""Seconds that the kernel gets for a SIGKILL."""
Json = Dict[str, Any]  # noqa: UP006 - Python 3.8
Pids = List[int]  # noqa: UP006 - Python 3.8


def status(pid: int) -> Tuple[Optional[int], int]:  # noqa: UP006, UP045 - Python 3.8
    """Return when a process began, in ticks since boot, and its parent.

    None where there is none that runs.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None, 0
    fields = text.rpartition(b")")[2].split()  # proc(5): from the third field on
    return None if fields[0] in {b"Z", b"X"} else int(fields[19]), int(fields[1])


def started(pid: int) -> Optional[int]:  # noqa: UP045 - Python 3.8
    """Return when a process began; None where there is none that runs."""
    return status(pid)[0]


def identity(pid: int) -> Json:
    """Return what tells a process from any other, also from one that gets its number later."""
    return {"pid": pid, "start": started(pid)}


def lives(process: Optional[Json]) -> bool:  # noqa: UP045 - Python 3.8
    """Return whether a process of that identity runs."""
    if not process or process["start"] is None:
        return False
    return bool(started(process["pid"]) == process["start"])


def processes(folder: str) -> Tuple[Pids, Pids]:  # noqa: UP006 - Python 3.8
    """Return the supervisor of a folder, and the processes that its program started.

    These have its environment, or are children of such ones, or of the supervisor, which gets the
    orphans: sudo, for one, gives its child another environment.
    """
    supervisors, members, parents = [], set(), {}
    run, token = f"\0run\0{folder}\0".encode(), f"{PORTS}={folder}/ports.json".encode()
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:  # noqa: PTH208
        began, parent = status(pid)
        if began is None:
            continue
        parents[pid] = parent
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(run):
                supervisors.append(pid)
            elif token in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                members.add(pid)
    more = members | set(supervisors)
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - members
        members |= more
    return supervisors, sorted(members)


def send(pids: Pids, number: int) -> None:
    """Send a signal to processes, of which some may be gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(there: Callable[[], Pids], seconds: float) -> bool:
    """End processes by SIGTERM, those that remain by SIGKILL; return whether none is left."""
    send(there(), signal.SIGTERM)
    if gone(there, seconds):
        return True
    until = time.monotonic() + KILLED
    while time.monotonic() < until:  # one that forks may have made others meanwhile
        send(there(), signal.SIGKILL)
        if gone(there, 0.1):
            return True
    return False


def gone(there: Callable[[], Pids], seconds: float) -> bool:
    """Wait until there is no process any more; return whether that came in time."""
    until = time.monotonic() + seconds
    while there():
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


def write(path: Path, content: bytes) -> None:
    """Replace a file whole; where there is no room, it stays as it was."""
    part = path.with_name(f"{path.name}.part")
    with contextlib.suppress(OSError):
        part.write_bytes(content)
        part.replace(path)


class Output:
    """What the program writes: the last bytes of it, in a file, and whether `ready` was in it."""

    def __init__(self, path: Path, ready: Optional[str]) -> None:  # noqa: UP045 - Python 3.8
        self.path, self.kept, self.line = path, b"", b""
        self.pattern = None if ready is None else re.compile(ready, re.MULTILINE)
        self.ready, self.dirty, self.open, self.written = False, False, True, 0.0

    def take(self, fd: int) -> bool:
        """Take what there is, a block at most; return whether there was anything."""
        try:
            block = os.read(fd, BLOCK)
        except BlockingIOError:
            return False
        self.open = bool(block)
        self.kept, self.dirty = (self.kept + block)[-KEPT:], self.dirty or self.open
        if self.pattern is not None and not self.ready:
            text = self.line + block
            self.ready = bool(self.pattern.search(text.decode(errors="replace")))
            self.line = text[text.rfind(b"\n") + 1 :][-LONGEST_LINE:]
        return self.open

    def save(self, *, now: bool = False) -> None:
        """Write the file, where that was not done just before."""
        if self.dirty and (now or time.monotonic() >= self.written + GAP):
            write(self.path, self.kept)
            self.dirty, self.written = False, time.monotonic()


class Supervisor:
    """One program, from its start to its end."""

    def __init__(self, folder: str) -> None:
        want = json.loads(Path(folder, "want.json").read_bytes())
        self.folder, self.argv, self.wish = folder, want["argv"], want["wish"]
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.pid = os.getpid()
        self.state: Json = {"supervisor": identity(self.pid), "restarts": 0, "ended": None}
        self.asked = False
        self.kill_at = float("inf")
        self.wake, wakes = os.pipe()
        for fd in (self.wake, wakes):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, self.wake_up)  # the program does not inherit it, unlike SIG_IGN
        signal.signal(signal.SIGTERM, self.ask)

    def wake_up(self, *_: object) -> None:
        """Do nothing: a signal that has a handler ends a wait."""

    def ask(self, *_: object) -> None:
        """Note that the end was asked for."""
        self.asked = True

    def save(self, **changes: object) -> None:
        """Change the state, and write it."""
        self.state.update(changes)
        write(Path(self.folder, "state.json"), json.dumps(self.state).encode())

    def run(self) -> None:
        """Run the program, again and again where that is wanted, until it ends or the end comes."""
        while True:
            self.once()
            end(lambda: processes(self.folder)[1], 0.0)  # what it left behind
            ready = self.state.get("ready_after") is not None
            if self.asked or not (self.wish["restart"] and ready):
                break
            self.wait(AGAIN)
            if self.asked:
                break
            self.state["restarts"] += 1

    def once(self) -> None:
        """Run the program once."""
        output = Output(Path(self.folder, "output"), self.wish["ready"])
        began = time.monotonic()
        about = {"since": time.time(), "began": began, "ready_after": None, "ended": None}
        try:
            read_end, program = self.begin()
        except (OSError, subprocess.SubprocessError) as error:
            self.save(**about, error=str(error), lasted=0.0)
            return
        self.save(
            **about, program=identity(program.pid), command=self.argv, sha256=digest(self.argv[0])
        )
        while self.runs(program):
            self.wait(GAP if self.busy(output) else None, *([read_end] if output.open else []))
            output.take(read_end)
            output.save()
            age = time.monotonic() - began
            if self.state["ready_after"] is None and (
                output.ready or (output.pattern is None and age >= SETTLED)
            ):
                self.save(ready_after=round(age, 3))
            self.end_if_asked()
        for _ in range(PIPE // BLOCK):
            if not output.take(read_end):
                break
        os.close(read_end)
        output.dirty = True
        output.save(now=True)
        self.save(ended=program.returncode, lasted=round(time.monotonic() - began, 3))

    @staticmethod
    def runs(program: subprocess.Popen[bytes]) -> bool:
        """Return whether the program runs; orphans of its that ended are forgotten."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                found = None
            if found is None or found.si_pid == program.pid:
                return program.poll() is None
            os.waitpid(found.si_pid, 0)

    def begin(self) -> Tuple[int, subprocess.Popen[bytes]]:  # noqa: UP006 - Python 3.8
        """Start the program; return where its output comes, and its process."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            with contextlib.suppress(OSError):
                fcntl.fcntl(write_end, F_SETPIPE_SZ, PIPE)
            return read_end, subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=self.die_with_us,  # noqa: PLW1509 - there are no threads
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)

    def environment(self) -> Dict[str, str]:  # noqa: UP006 - Python 3.8
        """Return the program's environment: the same whoever started us."""
        return {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",  # else its "ready" waits in a buffer
            PORTS: f"{self.folder}/ports.json",
        }

    def die_with_us(self) -> None:
        """Have the kernel end the program when we end; called in the program's process."""
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.pid:  # we ended before
            os._exit(1)

    def busy(self, output: Output) -> bool:
        """Return whether something is to be done soon, whatever happens."""
        return output.dirty or self.state["ready_after"] is None or self.asked

    def wait(self, seconds: Optional[float], *more: int) -> None:  # noqa: UP045 - Python 3.8
        """Wait for output, a signal, or so many seconds."""
        select.select([self.wake, *more], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, BLOCK)

    def end_if_asked(self) -> None:
        """Pass the end on: by SIGTERM first, by SIGKILL when `stop` seconds are over."""
        if not self.asked:
            return
        if self.kill_at == float("inf"):
            self.kill_at = time.monotonic() + self.wish["stop"]
            send(processes(self.folder)[1], signal.SIGTERM)
        elif time.monotonic() >= self.kill_at:
            send(processes(self.folder)[1], signal.SIGKILL)


def digest(program: str) -> str:
    """Return the SHA-256 of a program's file; nothing where it cannot be read."""
    sha256 = hashlib.sha256()
    try:
        with open(shutil.which(program, path=PATH) or program, "rb") as file:  # noqa: PTH123
            for block in iter(lambda: file.read(1 << 20), b""):
                sha256.update(block)
    except OSError:
        return ""
    return sha256.hexdigest()


if __name__ == "__main__":
    os.umask(0o077)
    Supervisor(sys.argv[2]).run()
