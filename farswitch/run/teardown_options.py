"""Which cluster is torn down, and on which servers it is looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from farswitch.errors import ConfigError
from farswitch.leftovers.orphans import named
from farswitch.site import servers_only

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WHERE = (
    click.option(
        "--server", metavar="[USER@]HOST[:PORT]", multiple=True, help="Where; else the site's."
    ),
    click.option("--key-file", metavar="FILE", type=_FILE, help="With --server: the private key."),
    click.option(
        "--known-hosts", metavar="FILE", type=_FILE, help="With --server: their host keys."
    ),
)


def where(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name servers instead of a site."""
    for option in reversed(_WHERE):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class TeardownOptions:
    """The options of teardown alone; without any it is the site's cluster that goes."""

    cluster: str = ""
    server: Sequence[str] = ()
    key_file: Path | None = None
    known_hosts: Path | None = None
    orphans: bool = False
    remove: bool = False
    keep_image: bool = False

    def check(self, site: str | None) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: Options that exclude each other, or that lack another.
        """
        special = self.cluster or self.server or self.orphans or self.remove
        if special and bool(self.cluster) == self.orphans:
            raise ConfigError("Of --cluster NAME and --orphans exactly one is wanted here.")
        if self.cluster and not named(self.cluster):
            raise ConfigError(f"--cluster: '{self.cluster}' is no name of a cluster.")
        if self.remove and not self.orphans:
            raise ConfigError("--remove goes with --orphans.")
        if self.server and site:
            raise ConfigError("Of --server and --site only one is wanted.")
        if (self.key_file or self.known_hosts) and not self.server:
            raise ConfigError("--key-file and --known-hosts go with --server.")

    def inventory(self) -> dict[str, Any] | None:
        """Return Nornir's inventory of the servers that were named; None takes the site's.

        Raises:
            ConfigError: One is no server, or named twice.
        """
        if not self.server:
            return None
        servers = tuple(
            servers_only.parse_server(text, key_file=self.key_file, known_hosts=self.known_hosts)
            for text in self.server
        )
        if len({server.name for server in servers}) < len(servers):
            raise ConfigError("--server: a server is named twice.")
        servers_only.register()
        return {"plugin": servers_only.NAME, "options": {"servers": servers}}
