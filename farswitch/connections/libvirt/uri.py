"""How libvirt reaches a server: its URI, and the ssh program that it runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import quote, urlencode

from farswitch.connections.shell.target import Target

LOCAL_URI = "qemu:///system"
OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
}
"""What libvirt's own keepalive does not cover: a server that is silent during the login."""


def remote_uri(target: Target, program: Path) -> str:
    """Return the URI of a server behind ssh, which is started by the script of `ssh_program`."""
    host = f"[{target.hostname}]" if ":" in target.hostname else quote(target.hostname)
    parameters = urlencode({"command": str(program), "no_tty": "1"}, quote_via=quote)
    return f"qemu+ssh://{quote(target.user, safe='')}@{host}:{target.port}/system?{parameters}"


def ssh_program(target: Target) -> str:
    """Return a script in ssh's place that always checks the host's key.

    libvirt's ssh transport has no parameter for a known_hosts file and leaves the check to the
    user's configuration; options given to ssh itself come before that.
    """
    options = dict(OPTIONS)
    if target.known_hosts:
        options["UserKnownHostsFile"] = " ".join(map(_quoted, target.known_hosts))
    if target.key_file:
        options |= {
            "IdentitiesOnly": "yes",
            "IdentityFile": _quoted(target.key_file),
        }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return f'#!/bin/sh\nexec ssh {shlex.join(words)} "$@"\n'


def _quoted(path: Path) -> str:
    """Return the path as ssh_config(5) wants it: in double quotes, percent signs doubled."""
    return f'"{path.absolute()}"'.replace("%", "%%")
