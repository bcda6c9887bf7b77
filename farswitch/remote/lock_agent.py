"""The far end of a lock: runs on a server, from its source text, on Python 3.8 or later.

    hold FOLDER NAME SILENCE LOGIN WORDS CLAIMS
        until the input ends, says "q", or is silent too long; LOGIN is "yes" when we came by one
    alone FOLDER SECONDS
        the server's shared settings, for a moment
    ask FOLDER
        who holds what; waits for nobody and stops nobody

A lock is on an open file (F_OFD_SETLK, fcntl(2)): it ends with the process, however that ends, and
unlike flock(2) it can be asked for without being taken. Each answer is one line of JSON.
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
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional  # noqa: UP035 - Python 3.8

F_OFD_GETLK, F_OFD_SETLK = 36, 37
MISSES = 100
"""How often a folder that is there, and is none, is looked at again."""
FLOCK = struct.Struct("hhqqi4x")
"""`struct flock` of a 64-bit Linux: type, whence, start, length, pid."""
SHARED = "shared"
"""The file of the server's shared settings; a cluster's ends in `.lock`."""
PATIENCE = 60.0
"""Seconds to wait for the shared settings, and for what a silent run has begun."""
Words = Dict[str, Any]  # noqa: UP006 - Python 3.8


def free(fd: int) -> bool:
    """Tell whether nobody holds the lock."""
    asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    return bool(FLOCK.unpack(fcntl.fcntl(fd, F_OFD_GETLK, asked))[0] == fcntl.F_UNLCK)


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
        wanted = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            fcntl.fcntl(fd, F_OFD_SETLK, wanted)
            if path.exists() and os.fstat(fd).st_ino == path.stat().st_ino:
                return fd
            os.close(fd)  # the last holder removed it as we opened it
        except FileNotFoundError:
            os.close(fd)
        except OSError:
            os.close(fd)
            if time.monotonic() >= end or forsaken(0.05):
                return None


def forsaken(seconds: float) -> bool:
    """Wait a moment, and tell whether our input has ended: nobody is there to be told."""
    return bool(select.select([0], [], [], seconds)[0]) and not os.read(0, 4096)


def leave(path: Path, fd: int) -> None:
    """Remove the file while it is still locked, then the folder if nobody else uses it."""
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()
    os.close(fd)


def write(fd: int, words: Words) -> None:
    """Put the holder's words into the file."""
    text = json.dumps(words).encode() + b"\n"
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


def read(path: Path) -> Words:
    """Return the words of a holder, who may be about to write them; none when it is gone."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            words: Words = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            time.sleep(0.02)
        else:
            return words
    return {}


def holders(folder: Path) -> List[Words]:  # noqa: UP006 - Python 3.8
    """Return the words of everybody who holds a cluster's lock."""
    found = []
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    for path in (one for one in paths if one.suffix == ".lock"):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        if not free(fd):
            found.append(read(path))
        os.close(fd)
    return [words for words in found if words]


def say(**answer: Any) -> None:
    """Answer in one line."""
    print(json.dumps(answer), flush=True)


def hold(folder: Path, name: str, words: Words, claims: Words, keep: Callable[[], None]) -> None:
    """Take a cluster's lock, tell who else works on this server, and keep it."""
    path = folder / f"{name}.lock"
    for _ in range(3):
        fd = take(path, 0)
        if fd is not None:
            break
        holder = read(path)
        if holder:  # else it went meanwhile
            say(busy=holder)
            return
    else:
        say(busy={})
        return
    try:
        words["since"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        write(fd, words)
        # Of two that begin at once the second sees what the first lays claim to; and whoever gives
        # shared things back sees that we are there.
        shared = take(folder / SHARED, PATIENCE)
        if shared is None:
            say(shared=PATIENCE)
            return
        try:
            others = [one for one in holders(folder) if one.get("cluster") != name]
            write(fd, {**words, "claims": claims})
        finally:
            leave(folder / SHARED, shared)
        say(held=words, others=others)
        keep()
    finally:
        leave(path, fd)


def listen(silence: float, *, login: bool) -> None:
    """Return each sign of life, until the run is done, its login ended, or it is silent."""
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
    while any(map(runs, begun)) and time.monotonic() < end:
        time.sleep(0.05)


def stat(pid: int) -> "tuple[str, list[str]]":
    """Return a process's name and what /proc says of it from its state on (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ["X", "0"]
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()


def parent_of(pid: int) -> "tuple[int, str]":
    """Return a process's parent, and the parent's name."""
    parent = int(stat(pid)[1][1])
    return parent, stat(parent)[0]


def children(pid: int) -> "list[int]":
    """Return the processes that a process has started."""
    pids = (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit())
    return [one for one in pids if int(stat(one)[1][1]) == pid]


def runs(pid: int) -> bool:
    """Tell whether a process has not ended."""
    return stat(pid)[1][0] not in "XZ"


def alone(folder: Path, seconds: float) -> None:
    """Hold the server's shared settings until the input ends, and tell who works on the server."""
    path = folder / SHARED
    fd = take(path, seconds)
    if fd is None:
        say(shared=seconds)
        return
    try:
        say(held={}, others=holders(folder))
        select.select([0], [], [], 2 * PATIENCE)  # longer than anything that is done under it
    finally:
        leave(path, fd)


def main() -> None:
    """Do what the arguments say."""
    action, folder, *rest = sys.argv[1:]
    if action == "hold":
        name, silence, login, words, claims = rest
        hold(
            Path(folder),
            name,
            json.loads(words),
            json.loads(claims),
            lambda: listen(float(silence), login=login == "yes"),
        )
    elif action == "alone":
        alone(Path(folder), float(rest[0]))
    else:
        say(others=holders(Path(folder)))


if __name__ == "__main__":
    main()
