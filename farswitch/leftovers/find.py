"""What farswitch has on a server, of whatever cluster: found by its marks, without any site.

Only what bears a mark is named: link groups and aliases, libvirt's metadata, the names of volumes
in our pools, comments of firewall rules, headers of files, the journal and the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.pools import PoolState
from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.connections.netlink.links import Link
from farswitch.firewall import nft
from farswitch.firewall.nft import MARK
from farswitch.firewall.read import GUARD
from farswitch.firewall.ruleset import Ruleset
from farswitch.guests.base_image import GUESTS, OURS
from farswitch.leftovers.found import UNNAMED, Remain, Seen, Times, named
from farswitch.links.plan import PREFIX
from farswitch.model.machines import Address
from farswitch.model.owner import GROUP_BASE
from farswitch.model.settings import VNI_MAX, Settings
from farswitch.state import journal, record
from farswitch.state.saved_settings import Journal
from farswitch.sysctl.files import owners_of

DEFAULT_POOL = str(Settings.model_fields["pool"].default)
DEFINITIONS = "/etc/libvirt/qemu"
_KINDS = {"bridge", "vxlan"}


@dataclass(frozen=True, slots=True)
class Look:
    """What was read of a server; the domains, pools and volumes only where libvirt runs."""

    links: Sequence[Link]
    listed: Sequence[nft.Json]
    rules: Ruleset
    files: Mapping[str, str]
    book: Journal
    records: frozenset[str]
    domains: Sequence[DomainState] = ()
    pools: Sequence[PoolState] = ()
    volumes: Mapping[str, Sequence[VolumeState]] | None = None


def find(look: Look, times: Times, bases: Mapping[str, int], *, server: str) -> Seen:
    """Sort out whose is what; pure.

    Args:
        look: What was read.
        times: The server's clock.
        bases: First VNIs that records tell, for links that nothing but their group marks.
        server: For errors.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
    """
    bases = {**bases, **_bases(look.links)}
    remains = (
        *_links(look.links, bases),
        *_domains(look.domains),
        *_volumes(look.volumes or {}),
        *_tables(look.listed),
        *_rules(look.rules),
        *_files(look.files, server),
        *_settings(look.book),
        *(Remain(name, "record", name, record.path_of(name)) for name in sorted(look.records)),
    )
    return Seen(
        remains=tuple(
            dict.fromkeys(one for one in remains if named(one.cluster) or one.cluster == UNNAMED)
        ),
        records=look.records,
        bases=bases,
        strays=tuple(sorted(_strays(look.links, bases))),
        pools=tuple(look.volumes or ()),
        far=_far(look.links),
        addresses=frozenset(one.ip for link in look.links for one in link.addresses),
        times=times,
        libvirt=look.volumes is not None,
    )


def in_pools(
    pools: Iterable[PoolState], volumes_of: Callable[[str], Sequence[VolumeState]]
) -> dict[str, Sequence[VolumeState]]:
    """Return the volumes of ours by pool: of each that has some, and of those that we made."""
    found: dict[str, Sequence[VolumeState]] = {}
    for pool in pools:
        ours = [volume for volume in volumes_of(pool.name) if volume.ours]
        if ours or pool.ours or pool.name == DEFAULT_POOL:
            found[pool.name] = ours
    return found


def _group_base(link: Link) -> int | None:
    """Return the first VNI that a link's group tells; None for a link that is not ours."""
    base = link.group - GROUP_BASE
    ours = link.kind in _KINDS and link.name.startswith(PREFIX) and 0 < base <= VNI_MAX
    return base if ours else None


def _bases(links: Iterable[Link]) -> dict[str, int]:
    found: dict[str, int] = {}
    for link in links:
        base = _group_base(link)
        if base is not None and (owner := _owner(link.alias)):
            found[owner] = base
    return found


def _owner(mark: str) -> str:
    """Return the cluster that an alias or a comment names."""
    owner = mark.removeprefix(MARK).partition(":")[0] if mark.startswith(MARK) else UNNAMED
    return owner if named(owner) else UNNAMED


def _links(links: Iterable[Link], bases: Mapping[str, int]) -> Iterator[Remain]:
    by_base = {base: name for name, base in bases.items()}
    for link in links:
        base, owner = _group_base(link), _owner(link.alias)
        if link.kind in _KINDS and owner:
            yield Remain(owner, link.kind, link.name)
        elif base is not None:
            yield Remain(by_base.get(base, UNNAMED), link.kind, link.name)


def _strays(links: Iterable[Link], bases: Mapping[str, int]) -> set[int]:
    found = {_group_base(link) for link in links if not _owner(link.alias)}
    return {base for base in found if base is not None} - set(bases.values())


def _domains(domains: Iterable[DomainState]) -> Iterator[Remain]:
    for domain in domains:
        if domain.cluster:
            path = f"{DEFINITIONS}/{domain.name}.xml"
            yield Remain(domain.cluster, "domain", domain.name, path)


def _volumes(volumes: Mapping[str, Sequence[VolumeState]]) -> Iterator[Remain]:
    for pool, found in volumes.items():
        for volume in found:
            name = f"{pool}/{volume.name}"
            if guest := GUESTS.fullmatch(volume.name):
                yield Remain(guest[1], "volume", name, volume.path)
            elif OURS.fullmatch(volume.name):
                yield Remain(UNNAMED, "image", name, volume.path)


def _tables(listed: Iterable[nft.Json]) -> Iterator[Remain]:
    for rule in (one["rule"] for one in listed if "rule" in one):
        owner = _owner(rule.get("comment", ""))
        if owner and rule["table"] == f"{GUARD}{owner.replace('-', '_')}":
            yield Remain(owner, "nft table", f"{rule['family']} {rule['table']}")


def _rules(rules: Ruleset) -> Iterator[Remain]:
    for chain in rules.chains:
        for owner in sorted({_owner(rule.ours) for rule in chain.rules if rule.ours}):
            yield Remain(owner, "rules", f"{chain.tool} {chain.table} {chain.name}")


def _files(files: Mapping[str, str], server: str) -> Iterator[Remain]:
    for path, content in files.items():
        for owner in sorted(owners_of({path: content}, server)):
            yield Remain(owner, "file", path, path)


def _settings(book: Journal) -> Iterator[Remain]:
    path = f"{journal.FOLDER}/{journal.NAME}"
    for owner in sorted(book.owners("")):
        count = len(book.keys("", owner))
        yield Remain(owner, "journal", f"{count} settings", path)


def _far(links: Iterable[Link]) -> dict[str, frozenset[Address]]:
    far: dict[str, set[Address]] = {}
    for link in links:
        if link.vxlan and link.vxlan.remote and (owner := _owner(link.alias)):
            far.setdefault(owner, set()).add(link.vxlan.remote)
    return {owner: frozenset(found) for owner, found in far.items()}
