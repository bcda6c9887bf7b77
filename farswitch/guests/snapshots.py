"""Snapshots of a cluster: all its guests at one moment; which there are, and which can come back.

A part of one lies in each guest's disk. What libvirt keeps with it says of which nodes the whole is
and in which save it was made, so that a save that was cut off is never taken for one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from pydantic import BaseModel, ConfigDict, ValidationError

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.snapshots import PREFIX, SnapshotState
from farswitch.guests.domain import MARK, read_mark, seed_volume
from farswitch.model.machines import Guest
from farswitch.model.node_names import fold
from farswitch.rollback.timer import MOST_HOLD_SECONDS

MIB = 1 << 20
SLOWEST_DISK = 50
"""MiB of memory that any disk keeps or gives back in a second, with others at work on it."""
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
NAME_WANTED = "1 to 64 of letters, digits, '-' and '_', with a letter or digit first"
"""Of a snapshot: the pattern of its name, and in words."""


class SnapshotAbout(BaseModel):
    """What the description of each part has.

    Attributes:
        cluster: Whose guests.
        nodes: The names of all of them.
        save: A word that no other save has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    nodes: tuple[str, ...]
    save: str


@dataclass(frozen=True, slots=True)
class GuestSnapshots:
    """A guest's domain as it is, None without one, and the parts of snapshots in its disk."""

    domain: DomainState | None
    parts: tuple[SnapshotState, ...]


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """A snapshot of the cluster.

    Attributes:
        name: As it was saved.
        taken: When its last guest was kept, in seconds since 1970; all stood still by then.
        nodes: Of which it is.
        parts: By guest: what there is of it.
        refusal: Why it cannot come back; empty where it can.
        cut_off: A node that is still there has no part of its save: it never comes back whole.
    """

    name: str
    taken: int
    nodes: tuple[str, ...]
    parts: Mapping[str, SnapshotState]
    refusal: str = ""
    cut_off: bool = False

    @property
    def moment(self) -> str:
        """When it was taken, in the way of ISO 8601."""
        return datetime.fromtimestamp(self.taken, UTC).isoformat()


def hold_seconds(guests: Sequence[Guest]) -> int:
    """Return after which a server lets guests go on that stand still.

    One of 512 MiB is kept in 0.3 s and comes back in 1.3 s under emulation; a busy machine takes
    several times as long.
    """
    memory = sum(guest.settings.memory for guest in guests)
    return min(MOST_HOLD_SECONDS, 30 + 10 * len(guests) + memory // SLOWEST_DISK)


def cluster_snapshots(
    looks: Mapping[str, GuestSnapshots], cluster: str
) -> tuple[ClusterSnapshot, ...]:
    """Return the snapshots of a cluster, the oldest first, from its guests as they are now."""
    names = {part.name for look in looks.values() for part in look.parts}
    found = (_cluster_snapshot(name, looks, cluster) for name in names)
    return tuple(sorted(found, key=lambda one: one.taken))


def _cluster_snapshot(
    name: str, looks: Mapping[str, GuestSnapshots], cluster: str
) -> ClusterSnapshot:
    parts = {
        guest: part for guest, look in looks.items() for part in look.parts if part.name == name
    }
    about = [_about(part) for part in parts.values()]
    nodes = next((one.nodes for one in about if one), ())
    refusal = next(_refusals(looks, parts, about, cluster), "")
    taken = max(part.taken for part in parts.values())
    ours = all(one and one.cluster == cluster for one in about)
    lacking = any(node in looks and node not in parts for node in nodes)
    cut_off = ours and (lacking or len(set(about)) > 1)
    return ClusterSnapshot(name, taken, nodes, parts, refusal, cut_off)


def _about(part: SnapshotState) -> SnapshotAbout | None:
    try:
        return SnapshotAbout.model_validate_json(part.about)
    except ValidationError:
        return None


def _refusals(
    looks: Mapping[str, GuestSnapshots],
    parts: Mapping[str, SnapshotState],
    about: Sequence[SnapshotAbout | None],
    cluster: str,
) -> Iterator[str]:
    """Yield the reasons why a snapshot cannot come back, the first one first."""
    said = {one for one in about if one is not None}
    if None in about or {one.cluster for one in said} != {cluster}:
        yield "it was not made by farswitch for this cluster"
        return
    nodes = next(iter(said)).nodes
    if set(nodes) != set(looks):
        yield f"it is of {fold(nodes)}, and the cluster has {fold(looks)} now"
    if missing := [name for name in looks if name not in parts]:
        yield f"{fold(missing)} is not in it: its disk is a new one, or the save was cut off"
    if len(said) > 1:
        yield "its guests were kept in different saves, of which one was cut off"
    for name, part in parts.items():
        domain = looks[name].domain
        changed = tuple(changes(part.defined, domain.xml)) if domain else ("domain",)
        if changed:
            yield f"{name} has another {' and '.join(changed)} now"


_PARTS = {
    "image": (MARK, "image"),
    "disk": (MARK, "disk"),
    "memory": ("memory", ""),
    "number of processors": ("vcpu", ""),
    "machine": ("os/type", "machine"),
    "MAC address": ("devices/interface/mac", "address"),
    "bridge": ("devices/interface/source", "bridge"),
    "MTU": ("devices/interface/mtu", "size"),
}
"""What a domain is made of, by its name for people: a path in its XML, and an attribute there."""


def changes(then: str, now: str) -> Iterator[str]:
    """Yield what is different in a domain's definition now, by its name for people."""
    before, after = (ET.fromstring(one) for one in (then, now))  # noqa: S314 - libvirt's own
    found = [name for name, place in _PARTS.items() if _at(before, *place) != _at(after, *place)]
    yield from found
    place = (MARK, "definition")
    if not found and _at(before, *place) != _at(after, *place):
        yield "definition"


def _at(root: ET.Element, path: str, attribute: str) -> list[str | None]:
    return [one.get(attribute) if attribute else one.text for one in root.iterfind(path)]


def needs_seed(part: SnapshotState) -> bool:
    """Return whether a guest had its seed attached, whose volume is gone since its boot ended."""
    sources = ET.fromstring(part.running).iterfind("devices/disk/source")  # noqa: S314 - libvirt's
    return any(source.get("file", "").endswith(".seed.iso") for source in sources)


def let_go(guests: Iterable[Guest], name: str) -> str:
    """Return the script that ends a save which was cut off: nothing is kept, all go on.

    One that is just being kept cannot go on before that has ended.
    """
    snapshot = shlex.quote(PREFIX + name)
    return _side_by_side(
        f'until virsh -q resume {domain} || [ "$(LC_ALL=C virsh domstate {domain})" != paused ]; '
        f"do sleep 1; done; virsh -q snapshot-delete {domain} {snapshot} 2>/dev/null; "
        f'[ "$(LC_ALL=C virsh domstate {domain})" != paused ]'
        for domain in _domains(guests)
    )


def carry_on(guests: Sequence[Guest], parts: Mapping[str, SnapshotState], pool: str) -> str:
    """Return the script that ends a restore which was cut off: all guests are as they were saved.

    `pool` is the folder of their disks. Its status is 1 where one did not come back.
    """
    jobs, snapshot = [], shlex.quote(PREFIX + next(iter(parts.values())).name)
    for guest, domain in zip(guests, _domains(guests), strict=True):
        part = parts[guest.name]
        mark, seed = read_mark(part.defined), shlex.quote(f"{pool}/{seed_volume(guest)}")
        disk = shlex.quote(f"{pool}/{mark.disk_volume if mark else ''}")
        stand_in = (
            f"[ -e {seed} ] || {{ install -m 600 /dev/null {seed}; truncate -s {MIB} {seed}; "
            f"chown --reference={disk} {seed}; }}; "
        )
        revert = f"virsh -q snapshot-revert {domain} {snapshot} --paused --force"
        ended = f"ended=$?; rm -f {seed}; exit $ended"
        jobs.append(f"{stand_in if needs_seed(part) else ''}{revert}; {ended}")
    domains = " ".join(_domains(guests))
    go_on = f'for domain in {domains}; do virsh -q resume "$domain" || status=1; done'
    return _side_by_side(jobs, go_on)


def _domains(guests: Iterable[Guest]) -> list[str]:
    return [shlex.quote(guest.domain) for guest in guests]


def _side_by_side(jobs: Iterable[str], then: str = ":") -> str:
    """Return a script that runs jobs at once, and something then; it fails where one has failed."""
    started = [f'( {job} ) & jobs="$jobs $!"' for job in jobs]
    waited = 'for job in $jobs; do wait "$job" || status=1; done'
    return "\n".join(["jobs= status=0", *started, waited, then, "exit $status"])
