"""What the head exports now, whatever its files say: the kernel's table against what is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.model.cluster import Cluster

LOOK = """
[ -d "$1" ] && echo "folder $(stat -c %U "$1")"
exportfs -s | sed "s/^/export /"
"""
"""Prints owner of the folder `$1`, and the export table."""
OPTIONS = frozenset({"rw", "root_squash"})


@dataclass(frozen=True, slots=True)
class Export:
    """One line of the export table."""

    path: str
    client: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Table:
    """The share's folder and the export table; `owner` is empty where there is no folder."""

    owner: str
    exports: tuple[Export, ...]


def parse(text: str) -> Table:
    """Read what `LOOK` printed."""
    owner, exports = "", []
    for line in text.splitlines():
        word, *fields = line.split()
        if word == "folder":
            owner = " ".join(fields)
        elif word == "export" and len(fields) > 1:
            client, _, options = fields[1].partition("(")
            exports.append(Export(fields[0], client, frozenset(options.rstrip(")").split(","))))
    return Table(owner, tuple(exports))


def related(path: str, share: str) -> bool:
    """Whether an exported folder is the share, lies in it or has it within."""
    path, share = path.rstrip("/") + "/", share.rstrip("/") + "/"
    return path.startswith(share) or share.startswith(path)


def faults(cluster: Cluster, found: Table) -> list[str]:
    """Return what is wrong with the share's folder and its export, in words."""
    settings, wrong = cluster.settings, []
    if found.owner != settings.user:
        wrong.append(
            f"{settings.share} belongs to {found.owner}" if found.owner else f"no {settings.share}"
        )
    network = str(settings.data_network)
    ours = [one for one in found.exports if (one.path, one.client) == (settings.share, network)]
    if not ours:
        wrong.append(f"{settings.share} is not exported to {network}")
    wrong += [
        f"{settings.share} is exported to {network} without {', '.join(sorted(lacks))}"
        for one in ours
        if (lacks := OPTIONS - one.options)
    ]
    return wrong


def strangers(cluster: Cluster, found: Table) -> list[str]:
    """Return what is exported of the share to anybody but the data network, in words."""
    settings = cluster.settings
    return [
        f"{one.path} is exported to {one.client}"
        for one in found.exports
        if related(one.path, settings.share) and one.client != str(settings.data_network)
    ]
