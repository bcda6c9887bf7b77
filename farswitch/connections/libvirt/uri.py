"""How libvirt reaches a server: its URI, and the ssh program that it runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import quote, urlencode

from farswitch.model.machines import Server

LOCAL_URI = "qemu:///system"
OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
}
"""What libvirt's own keepalive does not cover: a server that is silent during the login."""


def remote_uri(server: Server, program: Path) -> str:
    """Return the URI of a server behind ssh.

    Args:
        server: Where libvirt runs.
        program: The script that `ssh_program` gave.
    """
    host = f"[{server.hostname}]" if ":" in server.hostname else quote(server.hostname)
    parameters = urlencode({"command": str(program), "no_tty": "1"}, quote_via=quote)
    return f"qemu+ssh://{quote(server.user, safe='')}@{host}:{server.port}/system?{parameters}"


def ssh_program(server: Server) -> str:
    """Return a script in ssh's place that always checks the host's key.

    libvirt's ssh transport has no parameter for a known_hosts file and leaves the check to the
    user's configuration; options given to ssh itself come before that.
    """
    options = dict(OPTIONS)
    if server.known_hosts:
        options["UserKnownHostsFile"] = _quoted(server.known_hosts)
    if server.key_file:
        options |= {
            "IdentitiesOnly": "yes",
            "IdentityFile": _quoted(server.key_file),
        }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return f'#!/bin/sh\nexec ssh {shlex.join(words)} "$@"\n'


def _quoted(path: Path) -> str:
    """Return the path as ssh_config(5) wants it: in double quotes, percent signs doubled."""
    return f'"{path.absolute()}"'.replace("%", "%%")
