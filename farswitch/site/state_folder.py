"""Where farswitch keeps what is this user's on the controller: logs, and the ways into clusters."""

from __future__ import annotations

from pathlib import Path

from farswitch.home import base_folder


def state_folder() -> Path:
    """Return the folder of this user's state (XDG Base Directory Specification)."""
    return base_folder("XDG_STATE_HOME", ".local/state") / "farswitch"


def login_folder(cluster: str) -> Path:
    """Return where a build leaves `ssh_config`, `id_ed25519` and `known_hosts` of a cluster."""
    return state_folder() / "clusters" / cluster
