"""The generator of frames, compiled on the controller for a server of the same kind."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from farswitch.errors import ConfigError, FarswitchError

FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")
"""Static, as the server's C library may be older than the controller's."""
SECONDS = 60
SOURCE = resources.files(__package__).joinpath("generator.c")


def find_compiler() -> str:
    """Return the path of the C compiler.

    Raises:
        ConfigError: There is none here.
    """
    if path := shutil.which("cc"):
        return path
    raise ConfigError(
        "There is no C compiler 'cc' on this machine, which compiles the generator of frames.",
        hint="On Debian and Ubuntu: apt install gcc libc6-dev. On RHEL and Fedora: dnf install gcc "
        "glibc-static",
    )


def check_machine(server: str, machine: str) -> None:
    """Refuse a server that does not run what is compiled here; `machine` is its `uname -m`.

    Raises:
        ConfigError: It is of another kind.
    """
    if machine != platform.machine():
        raise ConfigError(
            f"The generator of frames is compiled here, on '{platform.machine()}', and '{server}' "
            f"is '{machine}'.",
            hint="Run it on a controller of that kind; the hypervisor itself may be one.",
        )


def compile_generator() -> bytes:
    """Return the program.

    Raises:
        ConfigError: There is no compiler here.
        FarswitchError: It failed.
    """
    compiler = find_compiler()
    with TemporaryDirectory() as folder, resources.as_file(SOURCE) as source:
        target = Path(folder) / "generator"
        argv = [compiler, *FLAGS, "-o", str(target), str(source)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise FarswitchError(
                f"'{compiler}' did not compile the generator of frames: "
                f"{done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no error'}",
                hint="The static C library is needed, too: apt install libc6-dev, or dnf install "
                "glibc-static",
            )
        return target.read_bytes()
