"""The far end of a lock: runs on a server, from its source text, on Python 3.8 or later.

    hold FOLDER NAME SILENCE LOGIN RUN
        a cluster's lock, until the input ends, is "q", or brings no heartbeat for SILENCE seconds;
        LOGIN is "yes" when we came by one, RUN is what other runs are shown, as JSON
    shared FOLDER SECONDS
        the server's shared settings, until the input ends
    list FOLDER
        who holds what; waits for nobody and stops nobody

A lock is on an open file (F_OFD_SETLK, fcntl(2)): it ends with the process, however that ends, and
unlike flock(2) it can be tested without being taken. The reply is one line of JSON.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional  # noqa: UP035 - Python 3.8

F_OFD_GETLK, F_OFD_SETLK = 36, 37
MISSES = 100
"""How often we try again where mkdir finds the folder, and it is none."""
FLOCK = struct.Struct("hhqqi4x")
"""`struct flock` of a 64-bit Linux: type, whence, start, length, pid."""
SHARED = "shared"
"""The file of the server's shared settings; a cluster's ends in `.lock`."""
PATIENCE = 60.0
"""Seconds to wait for the shared settings, and for what a silent run has begun."""
Json = Dict[str, Any]  # noqa: UP006 - Python 3.8


def free(fd: int) -> bool:
    """Tell whether nobody holds the lock."""
    request = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    return bool(FLOCK.unpack(fcntl.fcntl(fd, F_OFD_GETLK, request))[0] == fcntl.F_UNLCK)


def take(path: Path, seconds: float) -> Optional[int]:  # noqa: UP045 - Python 3.8
    """Return the locked file; None when somebody holds it for as long as we, or our input, last."""
    end, misses = time.monotonic() + seconds, 0
    while True:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # who reads it may lock it
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:  # the folder went between the two calls
            continue
        except FileExistsError:  # it went as mkdir looked at it; or it is none
            misses += 1
            if misses == MISSES:
                raise
            continue
        request = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            fcntl.fcntl(fd, F_OFD_SETLK, request)
            if path.exists() and os.fstat(fd).st_ino == path.stat().st_ino:
                return fd
            os.close(fd)  # the last holder removed it as we opened it
        except FileNotFoundError:
            os.close(fd)
        except OSError:
            os.close(fd)
            if time.monotonic() >= end or input_ended(0.05):
                return None


def input_ended(seconds: float) -> bool:
    """Wait a moment, and return whether our input has ended: nobody waits for a reply."""
    return bool(select.select([0], [], [], seconds)[0]) and not os.read(0, 4096)


def release(path: Path, fd: int) -> None:
    """Remove the file while it is still locked, then the folder if nobody else uses it."""
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()
    os.close(fd)


def write(fd: int, run: Json) -> None:
    """Write into the lock's file which run holds it."""
    text = json.dumps(run).encode() + b"\n"
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


def read(path: Path) -> Json:
    """Return the run that holds a lock, which may be about to write it; {} when it is gone."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            run: Json = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            time.sleep(0.02)
        else:
            return run
    return {}


def holders(folder: Path) -> List[Json]:  # noqa: UP006 - Python 3.8
    """Return the runs that hold a cluster's lock."""
    runs = []
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    for path in (path for path in paths if path.suffix == ".lock"):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        if not free(fd):
            runs.append(read(path))
        os.close(fd)
    return [run for run in runs if run]


def reply(**fields: Any) -> None:
    """Print the reply."""
    print(json.dumps(fields), flush=True)


def hold(folder: Path, name: str, run: Json, keep: Callable[[], None]) -> None:
    """Take a cluster's lock, reply with the others that work on this server, and keep it."""
    path = folder / f"{name}.lock"
    for _ in range(3):
        fd = take(path, 0)
        if fd is not None:
            break
        holder = read(path)
        if holder:  # else it went meanwhile
            reply(busy=holder)
            return
    else:
        reply(busy={})
        return
    try:
        claims = run.pop("claims", {})
        run["since"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        write(fd, run)
        # Of two that begin at once the second sees what the first reserves; and whoever restores
        # shared things sees that we are there.
        shared = take(folder / SHARED, PATIENCE)
        if shared is None:
            reply()
            return
        try:
            others = [other for other in holders(folder) if other.get("cluster") != name]
            write(fd, {**run, "claims": claims})
        finally:
            release(folder / SHARED, shared)
        reply(held=run, others=others)
        keep()
    finally:
        release(path, fd)


def answer_heartbeats(silence: float, *, login: bool) -> None:
    """Send each heartbeat back, until the run is done, its login ended, or none comes."""
    while select.select([0], [], [], silence)[0]:
        block = os.read(0, 4096)
        if not block or b"q" in block:
            return
        os.write(1, block)
    if login:  # without one, the next sshd above us is that of whoever sits there
        end_login()


def end_login() -> None:
    """End the login that we came by, and let what it has begun come to its end.

    A run that was stopped may wake up later, in the middle of a request: its channels are gone
    then, be they to this server's shell, to its kernel or through it to a guest.
    """
    mine = os.getpid()
    parent, name = parent_of(mine)
    while parent > 1 and not name.startswith("sshd"):
        mine = parent
        parent, name = parent_of(mine)
    if parent <= 1:
        return
    begun = [pid for pid in children(parent) if pid != mine]
    os.kill(parent, signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while any(map(is_running, begun)) and time.monotonic() < end:
        time.sleep(0.05)


def stat(pid: int) -> "tuple[str, list[str]]":
    """Return a process's name, and the fields of its /proc/PID/stat from its state on (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ["X", "0"]
    name, _, fields = text.partition("(")[2].rpartition(")")
    return name, fields.split()


def parent_of(pid: int) -> "tuple[int, str]":
    """Return a process's parent, and the parent's name."""
    parent = int(stat(pid)[1][1])
    return parent, stat(parent)[0]


def children(pid: int) -> "list[int]":
    """Return the processes that a process has started."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [child for child in pids if int(stat(child)[1][1]) == pid]


def is_running(pid: int) -> bool:
    """Tell whether a process has not ended."""
    return stat(pid)[1][0] not in "XZ"


def hold_shared(folder: Path, seconds: float) -> None:
    """Hold the server's shared settings until the input ends; reply with who works on it."""
    path = folder / SHARED
    fd = take(path, seconds)
    if fd is None:
        reply()
        return
    try:
        reply(held={}, others=holders(folder))
        select.select([0], [], [], 15 * PATIENCE)  # longer than anything that is done under it
    finally:
        release(path, fd)


def main() -> None:
    """Do what the arguments say."""
    action, folder, *rest = sys.argv[1:]
    if action == "hold":
        name, silence, login, run = rest
        keep = partial(answer_heartbeats, float(silence), login=login == "yes")
        hold(Path(folder), name, json.loads(run), keep)
    elif action == "shared":
        hold_shared(Path(folder), float(rest[0]))
    else:
        reply(others=holders(Path(folder)))


if __name__ == "__main__":
    main()
