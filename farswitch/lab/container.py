"""One member as a set of namespaces: starting it, finding it, running in it, ending it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.lab.addresses import Lab, Member
from farswitch.lab.run import PATH, run
from farswitch.lab.server_spec import spec

_ROOT = Path(__file__).resolve().parents[2]
_INIT = ("-m", "farswitch.lab.init")
_KNOWN_AS = (_INIT, ("-m", "lab.init"))
"""The second one: of a lab that was raised before the module had its present name."""
_LOG_TAIL = 2000
"""Bytes of a member's log that an error shows."""


def find(lab: Lab, member: str | None = None) -> dict[str, int]:
    """Return the first processes of the lab's members, or of one, by the members' names.

    What runs is read from the kernel, so there is no record that could be stale: a first process is
    known by its arguments and by being number 1 of a process namespace right below ours. So members
    that the lab no longer names are found as well.
    """
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        name = _member_of(lab, folder)
        if name and member in {None, name}:
            found[name] = int(folder.name)
    return found


def start(lab: Lab, member: Member, deadline: Deadline) -> None:
    """Boot a member.

    Raises:
        FarswitchError: It did not come up; the message ends with what its log ends with.
        DeadlineError: It took too long.
    """
    argv = [
        *("unshare", "--mount", "--uts", "--ipc", "--net", "--pid"),
        *(sys.executable, *_INIT, lab.name, member.name),
    ]
    environment = {"PYTHONPATH": str(_ROOT), "PATH": PATH}
    with lab.log(member).open("ab") as log:
        try:
            done = subprocess.run(
                argv, input=spec(lab, member).model_dump_json().encode(), stdout=log, stderr=log,
                env=environment, cwd="/", start_new_session=True, timeout=deadline.remaining(),
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            kill(lab, member.name)
            raise DeadlineError(f"The boot of '{member.name}'", deadline.seconds) from error
    if done.returncode != 0:
        raise FarswitchError(f"'{member.name}' did not boot: {log_tail(lab, member)}")


def log_tail(lab: Lab, member: Member) -> str:
    """Return the last lines that a member's boot and services wrote."""
    return lab.log(member).read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()


def execute(pid: int, argv: Sequence[str], *, stdin: str = "", timeout: float = 30.0) -> str:
    """Run a program inside the member of this first process, and return its output.

    Raises:
        ProgramError: It failed, or took more than `timeout` seconds.
    """
    enter = ("nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "--")
    return run([*enter, *argv], stdin=stdin, timeout=timeout)


def kill(lab: Lab, name: str, *, seconds: float = 10.0) -> bool:
    """End a member at once, as the power switch would; return whether it was running.

    Raises:
        DeadlineError: The kernel had not ended it after so many seconds.
    """
    pid = find(lab, name).get(name)
    if pid is None:
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The handle may be another process's if the first ended before it was opened.
        if _member_of(lab, Path("/proc", str(pid))) != name:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        ended, _, _ = select.select([handle], [], [], seconds)
    finally:
        os.close(handle)
    if not ended:
        raise DeadlineError(f"The end of '{name}'", seconds)
    return True


def await_reaping(pids: Iterable[int], *, seconds: float = 5.0) -> None:
    """Wait some seconds until the machine's own first process has taken note of ended ones.

    Until then their entries, and with them their process namespaces, are still listed. Some
    machines do that late or never (a Docker container without an init), which is no error of ours.
    """
    entries = [Path("/proc", str(pid)) for pid in pids]
    with contextlib.suppress(DeadlineError):
        wait_until(
            lambda: not any(entry.exists() for entry in entries),
            Deadline(seconds),
            what="The reaping of the lab's processes",
            interval=0.05,
        )


def _member_of(lab: Lab, process: Path) -> str | None:
    try:
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        if arguments[-3] != lab.name or tuple(arguments[-5:-3]) not in _KNOWN_AS:
            return None
        status = (process / "status").read_text()
    except (FileNotFoundError, IndexError, ProcessLookupError):
        return None
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return arguments[-2] if len(numbers) == 2 and numbers[1] == "1" else None  # noqa: PLR2004
