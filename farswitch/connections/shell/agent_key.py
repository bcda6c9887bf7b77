"""A key that lies encrypted in its file, and open in the user's agent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]

SECONDS = 10.0


@contextmanager
def agent_key(path: Path | None) -> Iterator[Any]:
    """Yield the agent's key that the file has, or None; it works until the block ends."""
    with closing(paramiko.Agent()) as agent:
        keys = agent.get_keys() if path is not None else ()
        fingerprint = _fingerprint(path) if keys and path is not None else ""
        yield next((key for key in keys if key.fingerprint == fingerprint), None)


def _fingerprint(path: Path) -> str:
    """Return what ssh-keygen prints of a key; its public half is never encrypted."""
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
    ).stdout.split()  # fmt: skip
    return printed[1] if len(printed) > 1 else ""
