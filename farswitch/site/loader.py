"""From a site's folder to a `Site`, or to one error that says all that is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.model.cluster import GuestEntry, LabNetworks, Site
from farswitch.model.settings import Image, Settings
from farswitch.site.cross_checks import Checks
from farswitch.site.find import FILES, find_site
from farswitch.site.hosts_yaml import Entries
from farswitch.site.mistakes import Mistakes
from farswitch.site.schema import ClusterKeys, DefaultsFile, GroupsFile
from farswitch.site.yaml_lines import Document, read_document

ROOT = Path(__file__).resolve().parents[2]


def load_site(site: str) -> Site:
    """Read and validate a site.

    Args:
        site: As in `find_site`.

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
    mistakes.check()
    assert cluster is not None  # noqa: S101 (`check` has raised otherwise)
    settings = _settings(cluster.data, folder)
    Checks(mistakes, hosts, groups, defaults, entries, cluster.data).run(settings)
    mistakes.check()
    hypervisors = tuple(server for server in entries.servers if server.role == "hypervisor")
    switch = next(server for server in entries.servers if server.role == "switch")
    guests = tuple(
        GuestEntry(name, home or hypervisors[0].name) for name, home in entries.guests.items()
    )
    lab = _lab(cluster.data)
    return Site(folder.name, folder, settings, hypervisors, switch, guests, lab)


def _documents(folder: Path, mistakes: Mistakes) -> list[Document]:
    documents = []
    for name in FILES:
        try:
            documents.append(read_document(folder / name))
        except ConfigError as error:
            mistakes.sentences.append(str(error))
    mistakes.check()
    return documents


def _settings(keys: ClusterKeys, folder: Path) -> Settings:
    """Return the settings; they have the names of the keys, but for the nested ones."""
    same = {field.name for field in fields(Settings)} & set(ClusterKeys.model_fields)
    source = keys.image.source
    if not (Image(source).own or "://" in source):
        source = str(folder / Path(source).expanduser())
    given = {name: getattr(keys, name) for name in same} | {
        "image": Image(source, keys.image.sha256),
        "launcher_ports": keys.mpi.launcher_ports,
        "payload_ports": keys.mpi.payload_ports,
    }
    return Settings(**given)


def _lab(keys: ClusterKeys) -> LabNetworks | None:
    lab = keys.lab
    if lab is None:
        return None
    return LabNetworks(lab.controller_network, lab.underlay_network, lab.name)
