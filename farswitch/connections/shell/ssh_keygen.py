"""What ssh-keygen prints of files: of known_hosts, and of keys."""

from __future__ import annotations

import shlex
import subprocess

from farswitch.errors import ConfigError

SECONDS = 10.0


def ssh_keygen(*arguments: str) -> str:
    """Return what it prints, whatever its status.

    Raises:
        ConfigError: It is not on this machine, or hangs.
    """
    argv = ("ssh-keygen", *arguments)
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=SECONDS, check=False,
        ).stdout  # fmt: skip
    except FileNotFoundError:
        raise ConfigError(
            "This machine has no program 'ssh-keygen', which reads keys and known_hosts files.",
            hint="Install OpenSSH's client: apt install openssh-client",
        ) from None
    except subprocess.TimeoutExpired:
        what = f"ssh-keygen does not read '{arguments[-1]}' within {SECONDS:g} s."
        raise ConfigError(what, hint=f"Look why: {shlex.join(argv)}") from None
