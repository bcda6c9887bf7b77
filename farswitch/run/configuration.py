"""Nornir's configuration: `config.yaml`, the command line over it, and paths made absolute."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from farswitch.errors import ConfigError
from farswitch.home import expand_home
from farswitch.model.field_types import Fields, number, text
from farswitch.model.node_names import shown
from farswitch.model.settings import PORTS_PER_BRIDGE
from farswitch.site.mistakes import Mistakes
from farswitch.site.yaml_lines import Document, read_document

NAME = "config.yaml"
PLUGIN, SITE, WORKERS = "FarswitchInventory", "lab", 32
"""What is taken where no configuration says otherwise."""
MOST_WORKERS = 1000
THREADED, RUNNERS = "threaded", "nornir.plugins.runners"
A_MAPPING = Field(title="a mapping")


class InventoryOptions(Fields):
    """`inventory.options`."""

    site: Annotated[str, text(r"\S.*", "a site's folder, which starts at this file, or name")] = ""
    nodes: Annotated[int, number(1, PORTS_PER_BRIDGE)] | None = None


class Inventory(Fields):
    """`inventory`."""

    plugin: Annotated[Literal["FarswitchInventory"], Field(title=f"'{PLUGIN}'")] = (
        "FarswitchInventory"
    )
    options: Annotated[InventoryOptions, A_MAPPING] = InventoryOptions()


class ThreadedOptions(Fields):
    """`runner.options` of Nornir's threaded runner."""

    num_workers: Annotated[int, number(1, MOST_WORKERS)] = WORKERS


class Runner(Fields):
    """`runner`: who shares a task out to the hosts."""

    plugin: Annotated[str, text(r"\S+", "the name of a runner of Nornir")] = THREADED
    options: Annotated[dict[str, Any], A_MAPPING] = Field(default_factory=dict)


class ConfigFile(Fields):
    """config.yaml; what it says of logging is another Nornir program's."""

    inventory: Annotated[Inventory, A_MAPPING] = Inventory()
    runner: Annotated[Runner, A_MAPPING] = Runner(options={"num_workers": WORKERS})
    logging: Annotated[dict[str, Any], A_MAPPING] = Field(default_factory=dict)


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
    without nodes its or the site's number of guests.

    Raises:
        ConfigError: config.yaml is not what it should be.
    """
    path = find()
    settings = _read(path) if path else ConfigFile()
    wanted = settings.inventory.options
    if site is None:
        site = str(path.parent / expand_home(wanted.site)) if path and wanted.site else SITE
    options: dict[str, Any] = {"site": site}
    nodes = wanted.nodes if nodes is None else nodes
    if nodes is not None:
        options["nodes"] = nodes
    runner = settings.runner.model_dump()
    if workers is not None:
        runner = {"plugin": THREADED, "options": {"num_workers": workers}}
    return {
        "inventory": {"plugin": PLUGIN, "options": options},
        "runner": runner,
        "logging": {"enabled": False},
    }


def _read(path: Path) -> ConfigFile:
    document, mistakes = read_document(path), Mistakes()
    settings = mistakes.validate(ConfigFile, document, document.data)
    if settings is not None:
        settings = settings.model_copy(
            update={"runner": _runner(settings.runner, document, mistakes)}
        )
    mistakes.raise_any()
    return settings or ConfigFile()


def _runner(runner: Runner, document: Document, mistakes: Mistakes) -> Runner:
    """Return the runner with options that it takes."""
    place = ("runner", "options")
    if runner.plugin == THREADED:
        threaded = mistakes.validate(ThreadedOptions, document, runner.options, place)
        return runner.model_copy(update={"options": (threaded or ThreadedOptions()).model_dump()})
    known = {entry.name: entry for entry in entry_points(group=RUNNERS)}
    if runner.plugin not in known:
        wanted = f"wanted one of: {', '.join(sorted(known))}"
        sentence = f"'runner.plugin' is {shown(runner.plugin)}, {wanted}."
        mistakes.add(document, ("runner", "plugin"), sentence)
        return runner
    try:
        known[runner.plugin].load()(**runner.options)
    except (TypeError, ValueError) as error:
        mistakes.add(document, place, f"'runner.options' do not fit '{runner.plugin}': {error}.")
    return runner
