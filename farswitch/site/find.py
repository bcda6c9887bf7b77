"""Where sites are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.home import base_folder, expand_home
from farswitch.model.node_names import shown
from farswitch.site.yaml_lines import NAMES, shown_path

FILES = HOSTS, GROUPS, DEFAULTS = NAMES
INVENTORY = "inventory"
"""The folder that sites stand in: in the current folder, and in the user's configuration."""
PACKAGED = Path(__file__).with_name("sites")
"""The sites that come with the package: in a checkout a link to `inventory`."""


def find_site(site: str) -> Path:
    """Return the folder of a site.

    Args:
        site: A path, or a name (`lab`, or `inventory/lab` as a path says it) of a site in one of
            `inventories`.

    Raises:
        ConfigError: There is no such folder; the message names the sites that there are.
    """
    path = expand_home(site)
    name = path.relative_to(INVENTORY) if path.parts[:1] == (INVENTORY,) else path
    folders = [path, *(inventory / name for inventory in inventories())]
    for folder in folders:
        if site and _is_site(folder, site):
            return folder.resolve()
    places = (path.absolute().parent, *inventories())
    near = next(filter(None, map(_sites, places)), "none")
    raise ConfigError(f"{shown(site)} is no site (a folder with {HOSTS}), wanted one of: {near}.")


def inventories() -> tuple[Path, ...]:
    """Return the folders that have sites: here, the user's own, and what comes with farswitch."""
    base = base_folder("XDG_CONFIG_HOME", ".config")
    return (Path(INVENTORY), base / "farswitch" / INVENTORY, PACKAGED)


def site_names() -> list[str]:
    """Return the names by which `find_site` finds a site from here."""
    return sorted(
        {path.parent.name for place in inventories() for path in place.glob(f"*/{HOSTS}")}
    )


def _is_site(folder: Path, site: str) -> bool:
    try:
        return any((folder / file).exists() for file in FILES)
    except OSError as error:
        raise ConfigError(f"{shown(site)} cannot be looked at: {error.strerror}.") from error


def _sites(folder: Path) -> str:
    real = Path(os.path.realpath(folder))  # which takes a loop of links, too
    sites = (path.parent for path in real.glob(f"*/{HOSTS}"))
    return ", ".join(sorted(map(shown_path, sites)))
