"""A new site of two servers, written as commented YAML."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

from pydantic import ValidationError

from farswitch.errors import ConfigError
from farswitch.model.field_types import Fields
from farswitch.model.node_names import shown
from farswitch.model.settings import ClusterName
from farswitch.site.field_types import Login, Underlay
from farswitch.site.find import FILES
from farswitch.site.loader import load_site
from farswitch.site.mistakes import wanted
from farswitch.templates import render_template

NETWORKS = IPv4Network("10.20.0.0/14")
"""Where the guests' networks are taken from: the first two that have no server in them."""
PREFIX = 24


class NewSite(Fields):
    """What a new site is made of."""

    name: ClusterName
    server1: Underlay
    server2: Underlay
    user: Login


def write_site(
    name: str, server1: str, server2: str, *, user: str = "root", below: Path = Path("inventory")
) -> Path:
    """Write a site that a build can be started with into a folder of its own, and return that.

    `server1` and `server2` are addresses of the hypervisor and of the switch, for ssh and for
    tunnels; `user` logs in to both.

    Raises:
        ConfigError: A value cannot be meant, or there is something of that name; nothing is
            written.
    """
    folder = below / name
    new = _validated(name=name, server1=server1, server2=server2, user=user)
    try:
        if folder.exists():
            raise ConfigError(
                f"'{folder}' exists: a new site needs a folder of its own.",
                hint="Choose another name, or edit the files there.",
            )
        below.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=below, prefix=".new-") as partial:
            made = Path(partial) / name
            made.mkdir()
            _render(new, made)
            made.rename(folder)
    except OSError as error:
        raise ConfigError(f"{shown(str(folder))} cannot be written: {error.strerror}.") from error
    return folder


def _validated(**values: str) -> NewSite:
    try:
        return NewSite.model_validate(values)
    except ValidationError as error:
        sentences = [
            f"'{place}' is {shown(values[place])}, wanted {wanted(NewSite.model_fields[place])}."
            for place in (str(details["loc"][0]) for details in error.errors())
        ]
        raise ConfigError("\n".join(sentences)) from error


def _render(new: NewSite, folder: Path) -> None:
    free = _networks(new)
    values = {**new.model_dump(), "data_network": next(free), "management_network": next(free)}
    for name in FILES:
        text = render_template(f"site/new_{name}.j2", **values)
        (folder / name).write_text(text, encoding="utf-8")
    try:
        load_site(str(folder.resolve()))
    except ConfigError as error:
        sentences = (line.split(": ", 1)[1] for line in str(error).splitlines())
        raise ConfigError("\n".join(sentences)) from error  # of files that are gone


def _networks(new: NewSite) -> Iterator[IPv4Network]:
    """Yield the networks that a guest can be in and no server's address is."""
    for network in NETWORKS.subnets(new_prefix=PREFIX):
        if new.server1 not in network and new.server2 not in network:
            yield network
