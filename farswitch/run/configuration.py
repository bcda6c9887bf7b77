"""Nornir's configuration: `config.yaml`, the command line over it, and paths made absolute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from farswitch.errors import ConfigError

NAME = "config.yaml"
KNOWN = {"runner", "inventory", "logging"}
PLUGIN, SITE, WORKERS = "FarswitchInventory", "lab", 32
"""What is taken where no configuration says otherwise."""


def find() -> Path | None:
    """Return the configuration: $FARSWITCH_CONFIG, else here, else beside the packages.

    Raises:
        ConfigError: What $FARSWITCH_CONFIG names is no file.
    """
    if named := os.environ.get("FARSWITCH_CONFIG"):
        if not Path(named).is_file():
            raise ConfigError(
                f"$FARSWITCH_CONFIG is '{named}', which is no file.",
                hint="Name a config.yaml, or unset it.",
            )
        return Path(named).resolve()
    places = (Path.cwd() / NAME, Path(__file__).resolve().parents[2] / NAME)
    return next((place for place in places if place.is_file()), None)


def configuration(site: str | None, nodes: int | None, workers: int | None) -> dict[str, Any]:
    """Return the arguments of InitNornir.

    Without a site (a folder or name as typed) or workers (hosts at once) config.yaml's is taken,
    without nodes the site's number of guests.

    Raises:
        ConfigError: config.yaml is not what it should be.
    """
    path = find()
    settings = _read(path) if path else {}
    inventory = settings.setdefault("inventory", {"plugin": PLUGIN})
    options = inventory.setdefault("options", {}) if isinstance(inventory, dict) else None
    if not isinstance(options, dict) or not isinstance(options.get("site", ""), str):
        raise ConfigError(f"{path}: wanted 'inventory: {{plugin: NAME, options: {{site: PATH}}}}'.")
    if path and "site" in options:
        options["site"] = str(path.parent / options["site"])
    options["site"] = site or options.get("site", SITE)
    if nodes is not None:
        options["nodes"] = nodes
    if workers is not None or "runner" not in settings:
        settings["runner"] = {"plugin": "threaded", "options": {"num_workers": workers or WORKERS}}
    settings["logging"] = {"enabled": False}
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
    except (YAMLError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict) or set(settings) - KNOWN:
        raise ConfigError(f"{path}: wanted only the keys {', '.join(sorted(KNOWN))}.")
    return settings
