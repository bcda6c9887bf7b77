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


def find() -> Path:
    """Return the configuration: $FARSWITCH_CONFIG, else here, else beside the packages.

    Raises:
        ConfigError: There is none.
    """
    named = os.environ.get("FARSWITCH_CONFIG")
    places = [Path(named)] if named else [Path.cwd() / NAME, Path(__file__).parents[2] / NAME]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise ConfigError(
        f"There is no configuration: looked for {' and '.join(map(str, places))}.",
        hint="Run in the folder that has config.yaml, or set FARSWITCH_CONFIG.",
    )


def configuration(site: str | None, nodes: int | None, workers: int | None) -> dict[str, Any]:
    """Return the arguments of InitNornir.

    Args:
        site: A site's folder or name as typed; None takes config.yaml's.
        nodes: How many guests; None takes the site's.
        workers: How many hosts at once; None takes config.yaml's.

    Raises:
        ConfigError: config.yaml is missing or not what it should be.
    """
    path = find()
    settings = _read(path)
    inventory = settings.setdefault("inventory", {"plugin": "FarswitchInventory"})
    options = inventory.setdefault("options", {}) if isinstance(inventory, dict) else None
    if not isinstance(options, dict) or not isinstance(options.get("site", ""), str):
        raise ConfigError(f"{path}: wanted 'inventory: {{plugin: NAME, options: {{site: PATH}}}}'.")
    options["site"] = site or str(path.parent / options.get("site", "inventory/lab"))
    if nodes is not None:
        options["nodes"] = nodes
    if workers is not None:
        settings["runner"] = {"plugin": "threaded", "options": {"num_workers": workers}}
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
