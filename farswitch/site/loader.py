"""From a site's folder to a `Site`, or to one error that says all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.home import expand_home
from farswitch.model.cluster import GuestEntry, Site
from farswitch.model.settings import Image
from farswitch.site.cross_checks import CrossChecks
from farswitch.site.find import FILES, find_site
from farswitch.site.hosts_yaml import Entries
from farswitch.site.mistakes import Mistakes
from farswitch.site.schema import DefaultsFile, GroupsFile
from farswitch.site.yaml_lines import Document, read_document

ROOT = Path(__file__).resolve().parents[2]


def load_site(site: str) -> Site:
    """Read and validate the site that `find_site` finds.

    Raises:
        ConfigError: What is wrong, one sentence a line, with file, line, found and wanted.
    """
    folder = find_site(site)
    mistakes = Mistakes()
    hosts, groups, defaults = _documents(folder, mistakes)
    cluster = mistakes.validate(DefaultsFile, defaults, defaults.data)
    common = mistakes.validate(GroupsFile, groups, groups.data)
    entries = Entries(hosts, common or GroupsFile(), folder, mistakes)
    entries.read()
    mistakes.raise_any()
    assert cluster is not None  # noqa: S101 (`raise_any` has raised otherwise)
    settings = cluster.data
    CrossChecks(mistakes, hosts, groups, defaults, entries, settings).run()
    mistakes.raise_any()
    hypervisors = tuple(server for server in entries.servers if server.role == "hypervisor")
    switch = next(server for server in entries.servers if server.role == "switch")
    guests = tuple(
        GuestEntry(name, home or hypervisors[0].name) for name, home in entries.guests.items()
    )
    settings = settings.model_copy(
        update={
            "image": _beside(settings.image, folder),
            "switch": settings.switch.beside(folder),
            "switches": tuple((name, one.beside(folder)) for name, one in settings.switches),
        }
    )
    return Site(folder.name, folder, settings, hypervisors, switch, guests)


def _documents(folder: Path, mistakes: Mistakes) -> list[Document]:
    documents = []
    for name in FILES:
        try:
            documents.append(read_document(folder / name))
        except ConfigError as error:
            mistakes.sentences.append(str(error))
    mistakes.raise_any()
    return documents


def _beside(image: Image, folder: Path) -> Image:
    """Return the image with its path, if it has one, starting at the site's folder."""
    if image.own or "://" in image.source:
        return image
    return image.model_copy(update={"source": str(folder / expand_home(image.source))})
