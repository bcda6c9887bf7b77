"""What the KnownHostsCommand of the user's ssh configuration prints of a host."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from farswitch.errors import ConfigError

SECONDS = 20.0
OF_KEY = "tfK"
"""The tokens that stand for the key that a host shows; before it shows one, ssh gives "NONE"."""


def wants_key(command: str) -> bool:
    """Whether a command asks for the key that the host shows."""
    return any(token[1] in OF_KEY for token in re.findall("%.", command))


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """Replace the tokens of ssh_config(5), such as %h; unknown ones stay."""
    return re.sub("%(.)", lambda token: tokens.get(token[1], token[0]), text)


def expanded(command: str, of_argument: Callable[[str], str]) -> str:
    """Return a command with its arguments expanded, each as a whole; like ssh, not its program."""
    try:
        program, *arguments = shlex.split(command)
    except ValueError:
        return command
    return shlex.join([program, *map(of_argument, arguments)])


def known_hosts_command(command: str, name: str) -> str:
    """Return lines as of a known_hosts file, for a host that goes by this name there.

    The command has those tokens of ssh_config(5) alone that are its own.

    Raises:
        ConfigError: It fails, as ssh does then.
    """
    tokens = {"%": "%", "H": name, "I": "HOSTNAME", **dict.fromkeys(OF_KEY, "NONE")}
    try:
        program, *arguments = shlex.split(command)
        if not Path(program).is_absolute():
            raise _failed(command, "its program is named by no absolute path")
        argv = [program, *(expand(argument, tokens) for argument in arguments)]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _failed(command, f"it had not ended after {SECONDS:g} s") from None
    except (OSError, ValueError) as error:
        raise _failed(command, str(error)) from None
    if done.returncode != 0:
        printed = " ".join(done.stderr.split())
        raise _failed(command, f"status {done.returncode}, and it printed '{printed[-300:]}'")
    return done.stdout


def _failed(command: str, cause: str) -> ConfigError:
    return ConfigError(
        f"KnownHostsCommand of your ssh configuration, '{command}', failed: {cause}.",
        hint="Correct it in ~/.ssh/config or /etc/ssh/ssh_config: ssh itself takes no key from it.",
    )
