"""Where farswitch keeps what is this user's on the controller: logs, and the ways into clusters."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the folder of this user's state (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "farswitch"


def login_folder(cluster: str) -> Path:
    """Return where a build leaves `ssh_config`, `id_ed25519` and `known_hosts` of a cluster."""
    return state_folder() / "clusters" / cluster
