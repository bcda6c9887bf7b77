"""What farswitch has on a server, of whatever cluster: found by its marks, without any site.

Only what bears a mark is named: link groups and aliases, libvirt's metadata, the names of volumes
in our pools, comments of firewall rules, headers of files, the journal and the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.pools import PoolState
from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.connections.netlink.links import Link
from farswitch.firewall import nft
from farswitch.firewall.nft import MARK
from farswitch.firewall.read import GUARD
from farswitch.firewall.ruleset import Ruleset
from farswitch.guests.base_image import GUESTS, OURS
from farswitch.impair.observe import TUNNEL
from farswitch.leftovers.orphans import UNNAMED, Leftover, Leftovers, Times, named
from farswitch.links.ownership import PREFIX
from farswitch.links.plan import KINDS, TAP
from farswitch.model.machines import Address
from farswitch.model.owner import GROUP_BASE
from farswitch.model.settings import DEFAULT_POOL, VNI_MAX
from farswitch.state import journal, record
from farswitch.state.saved_settings import Journal
from farswitch.sysctl.files import owners_of

DEFINITIONS = "/etc/libvirt/qemu"


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """What was read of a server; domains and volumes only where libvirt runs.

    `switches` is by cluster, and without interfaces, which are among the links.
    """

    links: Sequence[Link]
    tables: Sequence[nft.Json]
    rules: Ruleset
    files: Mapping[str, str]
    journal: Journal
    records: frozenset[str]
    switches: Mapping[str, Sequence[str]] = field(default_factory=dict)
    domains: Sequence[DomainState] = ()
    volumes: Mapping[str, Sequence[VolumeState]] | None = None


def find(
    observed: ObservedServer, times: Times, bases: Mapping[str, int], *, server: str
) -> Leftovers:
    """Sort out whose is what; pure.

    `bases` are first VNIs that records name, for links that nothing but their group marks.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
    """
    links = observed.links
    bases = {**bases, **_bases(links)}
    records = sorted(observed.records)
    objects = (
        *_links(links, bases),
        *(
            Leftover(owner, "switch", name)
            for owner, names in observed.switches.items()
            for name in names
        ),
        *_domains(observed.domains),
        *_volumes(observed.volumes or {}),
        *_tables(observed.tables),
        *_rules(observed.rules),
        *_files(observed.files, server),
        *_settings(observed.journal),
        *(Leftover(name, "record", name, record.path_of(name)) for name in records),
    )
    return Leftovers(
        objects=tuple(
            leftover
            for leftover in dict.fromkeys(objects)
            if named(leftover.cluster) or leftover.cluster == UNNAMED
        ),
        records=observed.records,
        bases=bases,
        strays=tuple(sorted(_strays(links, bases))),
        pools=tuple(observed.volumes or ()),
        far=_far(links),
        addresses=frozenset(address.ip for link in links for address in link.addresses),
        times=times,
        libvirt=observed.volumes is not None,
    )


def in_pools(
    pools: Iterable[PoolState], volumes_of: Callable[[PoolState], Sequence[VolumeState]]
) -> dict[str, Sequence[VolumeState]]:
    """Return the volumes of ours by pool: of each that has some, and of those that we made."""
    volumes: dict[str, Sequence[VolumeState]] = {}
    for pool in pools:
        ours = [volume for volume in volumes_of(pool) if volume.ours]
        if ours or pool.ours or pool.name == DEFAULT_POOL:
            volumes[pool.name] = ours
    return volumes


def _group_base(link: Link) -> int | None:
    """Return the first VNI that a link's group stands for; None for a link that is not ours."""
    base = link.group - GROUP_BASE
    ours = link.kind in KINDS and link.name.startswith(PREFIX) and 0 < base <= VNI_MAX
    return base if ours else None


def _bases(links: Iterable[Link]) -> dict[str, int]:
    bases: dict[str, int] = {}
    for link in links:
        base = _group_base(link)
        if base is not None and (owner := _owner(link.alias)):
            bases[owner] = base
    return bases


def _owner(mark: str) -> str:
    """Return the cluster that an alias or a comment names."""
    owner = mark.removeprefix(MARK).partition(":")[0] if mark.startswith(MARK) else UNNAMED
    return owner if named(owner) else UNNAMED


def _links(links: Iterable[Link], bases: Mapping[str, int]) -> Iterator[Leftover]:
    by_base = {base: name for name, base in bases.items()}
    for link in links:
        base, owner = _group_base(link), _owner(link.alias)
        if owner and link.kind in {*KINDS, TAP}:
            yield Leftover(owner, link.kind, link.name)
        elif base is not None:
            yield Leftover(by_base.get(base, UNNAMED), link.kind, link.name)


def _strays(links: Iterable[Link], bases: Mapping[str, int]) -> set[int]:
    unnamed = {_group_base(link) for link in links if not _owner(link.alias)}
    return {base for base in unnamed if base is not None} - set(bases.values())


def _domains(domains: Iterable[DomainState]) -> Iterator[Leftover]:
    for domain in domains:
        if domain.cluster:
            path = f"{DEFINITIONS}/{domain.name}.xml"
            yield Leftover(domain.cluster, "domain", domain.name, path)


def _volumes(volumes: Mapping[str, Sequence[VolumeState]]) -> Iterator[Leftover]:
    for pool, ours in volumes.items():
        for volume in ours:
            name = f"{pool}/{volume.name}"
            if guest := GUESTS.fullmatch(volume.name):
                yield Leftover(guest[1], "volume", name, volume.path)
            elif OURS.fullmatch(volume.name):
                yield Leftover(UNNAMED, "image", name, volume.path)


def _tables(listed: Iterable[nft.Json]) -> Iterator[Leftover]:
    for rule in (entry["rule"] for entry in listed if "rule" in entry):
        owner = _owner(rule.get("comment", ""))
        table = f"{GUARD}{owner.replace('-', '_')}"
        if owner and (rule["table"] == table or rule["table"].startswith(f"{table}_{TUNNEL}")):
            yield Leftover(owner, "nft table", f"{rule['family']} {rule['table']}")


def _rules(rules: Ruleset) -> Iterator[Leftover]:
    for chain in rules.chains:
        for owner in sorted({_owner(rule.ours) for rule in chain.rules if rule.ours}):
            yield Leftover(owner, "rules", f"{chain.tool} {chain.table} {chain.name}")


def _files(files: Mapping[str, str], server: str) -> Iterator[Leftover]:
    for path, content in files.items():
        for owner in sorted(owners_of({path: content}, server)):
            yield Leftover(owner, "file", path, path)


def _settings(kept: Journal) -> Iterator[Leftover]:
    path = f"{journal.FOLDER}/{journal.NAME}"
    for owner, count in sorted(kept.held().items()):
        yield Leftover(owner, "journal", f"{count} settings", path)


def _far(links: Iterable[Link]) -> dict[str, frozenset[Address]]:
    far: dict[str, set[Address]] = {}
    for link in links:
        if link.vxlan and link.vxlan.remote and (owner := _owner(link.alias)):
            far.setdefault(owner, set()).add(link.vxlan.remote)
    return {owner: frozenset(addresses) for owner, addresses in far.items()}
