"""Running a program on the controller, for parts that stand below any connection."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from farswitch.errors import FarswitchError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the system's programs are: a user's own PATH may leave the sbin folders out."""


class ProgramError(FarswitchError):
    """A program ended with a status other than 0, or not in time."""

    def __init__(self, argv: Sequence[str], status: int | None, stderr: str) -> None:
        how = "did not end in time" if status is None else f"ended with status {status}"
        super().__init__(f"'{' '.join(argv)}' {how}: {stderr.strip() or 'it printed nothing'}")
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 30.0) -> str:
    """Run a program, without a shell, and return what it wrote to its standard output.

    Raises:
        ProgramError: Its status was not 0, it took more than `timeout` seconds and was killed, or
            there is no such program.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(argv, None, f"killed after {timeout:.0f} s") from error
    except FileNotFoundError as error:
        raise ProgramError(argv, 127, f"there is no program '{argv[0]}' on PATH") from error
    if done.returncode != 0:
        raise ProgramError(argv, done.returncode, done.stderr)
    return done.stdout
