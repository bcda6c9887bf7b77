"""What the head exports now, whatever its files say: the kernel's table against what is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.guests.files.nfs import Share

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


def faults(share: Share, table: Table) -> list[str]:
    """Return what is wrong with the share's folder and its export, in words."""
    path, network, wrong = share.path, str(share.network), []
    if table.owner != share.user:
        wrong.append(f"{path} belongs to {table.owner}" if table.owner else f"no {path}")
    ours = [export for export in table.exports if (export.path, export.client) == (path, network)]
    if not ours:
        wrong.append(f"{path} is not exported to {network}")
    wrong += [
        f"{path} is exported to {network} without {', '.join(sorted(lacks))}"
        for export in ours
        if (lacks := OPTIONS - export.options)
    ]
    return wrong


def strangers(share: Share, table: Table) -> list[str]:
    """Return what is exported of the share to anybody but the data network, in words."""
    return [
        f"{export.path} is exported to {export.client}"
        for export in table.exports
        if related(export.path, share.path) and export.client != str(share.network)
    ]
