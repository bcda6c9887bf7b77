"""A guest's console as its hypervisor logged it: what people see when a boot fails."""

from __future__ import annotations

import re

from farswitch.connections.shell.base import Shell
from farswitch.guests.domain import console_log

TAIL = 8192
"""Bytes read from the end of a console log, however long it is."""
LINES = 12
WIDTH = 160
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
"""What begins with ESC and has a form (ECMA-48): colours, cursor, titles."""
_CONTROLS = re.compile(r"[^\x20-\x7e\n\t]")


def plain(text: str) -> list[str]:
    """Return the last lines of a console without escape codes and control characters."""
    clean = _CONTROLS.sub("", ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    lines = [line.rstrip()[:WIDTH] for line in clean.splitlines()]
    return [line for line in lines if line][-LINES:]


def tail(login: Shell, domain: str) -> list[str]:
    """Return the last lines of a domain's console; empty where it has written none."""
    read = login.run(["tail", "-c", str(TAIL), "--", console_log(domain)], check=False)
    return plain(read.stdout) if read.status == 0 else []
