"""The options of nornir-netmiko's own connection, for a user's own Nornir tasks."""

from __future__ import annotations

from typing import Any

from nornir.core.inventory import ConnectionOptions

from farswitch.home import home_folder
from farswitch.model.machines import Guest, Server
from farswitch.site.state_folder import login_folder

SECONDS = 20.0
"""For each of TCP, banner and authentication; a guest under emulation takes up to 3 s."""
PATIENCE = {"conn_timeout": SECONDS, "banner_timeout": SECONDS, "auth_timeout": SECONDS}
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""What ssh tries by itself; netmiko tries none without a name."""


def of_server(server: Server) -> ConnectionOptions:
    """Return how netmiko logs in to a server: the host's key known, no password."""
    folder = home_folder() / ".ssh"
    keys = (server.key_file, *(folder / name for name in DEFAULT_KEYS))
    key = next((key for key in keys if key is not None and key.is_file()), server.key_file)
    return _options(
        server.hostname,
        use_keys=key is not None,
        key_file=key and str(key),
        allow_agent=server.key_file is None,
        system_host_keys=server.known_hosts is None,
        alt_host_keys=server.known_hosts is not None,
        alt_key_file=str(server.known_hosts or ""),
        ssh_config_file=None,
    )


def of_guest(guest: Guest) -> ConnectionOptions:
    """Return how netmiko logs in to a guest: by the files that the cluster's build leaves.

    The guest goes by its name, which stands in the cluster's `ssh_config` with address and jump.
    """
    folder = login_folder(guest.settings.cluster)
    return _options(
        guest.name,
        use_keys=True,
        key_file=str(folder / "id_ed25519"),
        allow_agent=False,
        system_host_keys=False,
        alt_host_keys=True,
        alt_key_file=str(folder / "known_hosts"),
        ssh_config_file=str(folder / "ssh_config"),
    )


def _options(hostname: str, **extras: Any) -> ConnectionOptions:
    return ConnectionOptions(hostname=hostname, extras={**extras, "ssh_strict": True, **PATIENCE})
