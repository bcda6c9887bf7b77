"""A job of MPI that goes on while it is asked for more: its lines come one by one, in time."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from farswitch.connections.shell.protocol import LONGEST_LINE, Shell
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.guests.mpi_launch import as_user
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings

BLOCK = 1 << 16
MOST_LINES = 10_000
"""Lines that may wait to be heard: a job says one for each thing that it is asked."""
MARKED = """
read -r word
if [ ${#word} -lt 16 ]; then echo "the input was cut" >&2; exit 65; fi
marked() { echo "$word" | grep -slaF -f - /proc/[0-9]*/cmdline | tr -dc '0-9\\n'; }
"""
"""The start of a script for `sh`: its `marked` prints the processes with a job's word among their
arguments. The word comes on standard input: no process but the job's has it as an argument. A login
that ends before it came leaves none, which every process would have."""
GRACE = 5
"""Seconds that a job has to end by itself before it is killed."""


class JobError(FarswitchError):
    """A job ended, or said nothing in time."""


class Job:
    """One rank a guest, started from the first; ended with the `with` block at the latest.

    The guest itself ends it after `seconds`, also when nobody is here any more.
    """

    def __init__(
        self, login: Shell, settings: Settings, guests: Sequence[Guest],
        program: Sequence[str], seconds: int,
    ) -> None:  # fmt: skip
        hosts = ",".join(str(guest.data_address.ip) for guest in guests)
        mpiexec = ["mpiexec.mpich", "-np", str(len(guests)), "-hosts", hosts]
        limited = ["timeout", "-k", str(GRACE), str(seconds), *mpiexec, *program]
        self._argv = as_user(settings, limited)
        self._login = login
        self._lines: queue.Queue[bytes] = queue.Queue()

    def __enter__(self) -> Self:
        """Start the job."""
        self._process = self._login.start(self._argv)
        threading.Thread(target=self._pump, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the job's input and output: it ends then."""
        self._process.close()

    def _pump(self) -> None:
        """Pass lines on; an empty one is the end."""
        rest = b""
        try:
            while block := self._process.read(BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    self._lines.put(line)
                if len(rest) > LONGEST_LINE or self._lines.qsize() > MOST_LINES:
                    break
        except (OSError, EOFError, FarswitchError):
            pass
        self._lines.put(b"")

    def say(self, line: str) -> None:
        """Write a line to rank 0.

        Raises:
            JobError: The job has ended.
        """
        try:
            self._process.write(f"{line}\n".encode())
        except (OSError, EOFError) as error:
            raise JobError(self._ended()) from error

    def hear(self, rung: str, seconds: float) -> dict[str, Any]:
        """Return the next line that the program says, which must be of this rung.

        Raises:
            JobError: The job ended, said something else, or said nothing within `seconds`.
        """
        deadline = Deadline(seconds)
        while True:
            try:
                line = self._lines.get(timeout=max(0.001, deadline.remaining()))
            except queue.Empty:
                raise JobError(
                    f"nothing was heard of '{rung}' for {seconds:g} s{self._errors()}"
                ) from None
            if not line:
                raise JobError(self._ended())
            try:
                told = json.loads(line)
            except ValueError:
                continue  # a library's own words
            if isinstance(told, dict) and told.get("rung") == rung:
                return told
            raise JobError(f"the program said {line[:200]!r} where '{rung}' was due")

    def unheard(self) -> int:
        """Return how many lines were said that nobody heard yet."""
        return self._lines.qsize()

    def _ended(self) -> str:
        return f"the job ended{self._errors()}"

    def _errors(self) -> str:
        said = self._process.stderr_tail().strip()
        return f": {said}" if said else ""
