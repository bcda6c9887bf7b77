"""Run a line of shell as a user would in a session, and report its end as one JSON document.

It ends early, with all that it started in its session, when its time is up, or when nobody is left
to read the report: whoever asked has gone.
Usage: guest_command.py USER SECONDS BYTES LINE (BYTES of each output are kept)
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 1.0
"""Seconds that the session's processes get to end by themselves."""
MOST = 10.0
"""Seconds for which those that cannot be ended, in an uninterruptible sleep, are waited for."""
BLOCK = 1 << 16
ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def members(session: int) -> list[int]:
    """Return the processes of a session that have not ended: fields of proc(5), stat."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_bytes().rpartition(b")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if fields and int(fields[3]) == session and fields[0] != b"Z":
            found.append(int(path.parent.name))
    return found


def send(number: int, processes: list[int]) -> None:
    """Send a signal to processes, some of which may be gone."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def end(session: int) -> None:
    """End all processes of a session."""
    began = time.monotonic()
    send(signal.SIGTERM, members(session))
    while (left := members(session)) and time.monotonic() - began < MOST:
        if time.monotonic() - began > GRACE:
            send(signal.SIGKILL, left)
        time.sleep(0.02)


class LineRun:
    """The line's processes, and what they have printed."""

    def __init__(self, user: str, line: str, limit: int) -> None:
        self.wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        for number in (signal.SIGCHLD, *ENDINGS):
            signal.signal(number, lambda *_: None)
        (stdout, out), (stderr, err) = os.pipe(), os.pipe()
        self.child = subprocess.Popen(
            # Unlike --command it makes no session of its own: so all is in the one made here.
            ["runuser", "-l", user, "--session-command", line],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        os.close(out)
        os.close(err)
        self.limit, self.cut = limit, False
        self.texts = {stdout: bytearray(), stderr: bytearray()}
        self.open = {stdout, stderr}
        self.poll = select.poll()
        for fd in (stdout, stderr, self.wake):
            self.poll.register(fd, select.POLLIN)
        self.poll.register(sys.stdout.fileno(), 0)  # tells that its reader has gone

    def wait(self, seconds: float) -> str:
        """Return why it is over: it "ended", its time is up ("late"), or nobody waits ("gone")."""
        until = time.monotonic() + seconds
        while self.open or self.child.poll() is None:
            left = until - time.monotonic()
            if left <= 0:
                return "late"
            for fd, _ in self.poll.poll(left * 1000):
                if fd == sys.stdout.fileno() or not self._take(fd):
                    return "gone"
        return "ended"

    def _take(self, fd: int) -> bool:
        """Read what has come; return False where a signal ends this program."""
        block = os.read(fd, BLOCK)
        if fd == self.wake:
            return not set(block) & set(ENDINGS)
        if not block:
            self.open.remove(fd)
            self.poll.unregister(fd)
        room = self.limit - len(self.texts[fd])
        self.cut = self.cut or len(block) > room
        self.texts[fd] += block[:room]
        return True


def main() -> None:
    """Run it."""
    user, seconds, limit, line = sys.argv[1:]
    run = LineRun(user, line, int(limit))
    over = run.wait(float(seconds))
    if over != "ended":
        end(run.child.pid)
    if over == "gone":
        sys.exit(1)
    stdout, stderr = (text.decode(errors="replace") for text in run.texts.values())
    late = over == "late"
    report = {"stdout": stdout, "stderr": stderr, "cut": run.cut, "late": late}
    report["status"] = None if late else run.child.returncode
    print(json.dumps(report))


if __name__ == "__main__":
    main()
