"""What a cluster's servers remember of it: how many nodes it has, and its keys.

The record lies on the head's hypervisor, readable by root alone, so that any controller can go on
with the cluster. Whoever is root there owns the guests' disks anyway.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from nornir.core.task import Result, Task

from connections.access import shell
from connections.command import Shell
from connections.keys import GuestKeys, KeyPair, generate
from inventory.errors import ConfigError, FarswitchError
from inventory.hosts import KeyHolder
from inventory.model import Cluster, Guest
from tasks import claims

FOLDER = "/var/lib/farswitch/clusters"
VERSION = 1
RECORD = "record"
"""The key of the record in the data of the head's hypervisor."""


@dataclass(frozen=True, slots=True)
class Record:
    """The number of nodes and the keys: the controller's, the users' own, one a guest's sshd.

    `mtu` is the data network's in bytes as it was built.
    `site` is how many nodes the site named then: when it names another number, that one counts.
    `claims` are what no other cluster may have: see `tasks.claims`.
    `places` has VNI and addresses of each guest, which it keeps as long as it lives.
    """

    nodes: int
    controller: KeyPair = field(repr=False)
    user: KeyPair = field(repr=False)
    hosts: dict[str, KeyPair] = field(repr=False, default_factory=dict)
    site: int = 0
    places: dict[str, str] = field(default_factory=dict)
    mtu: int = 0
    claims: str = ""

    def guest_keys(self) -> GuestKeys:
        """Return what the connections need to log in to guests."""
        public = {name: pair.public for name, pair in self.hosts.items()}
        return GuestKeys(private_key=self.controller.private, host_keys=public)


def path_of(cluster_name: str) -> str:
    """Return where the record lies on the head's hypervisor."""
    return f"{FOLDER}/{cluster_name}.json"


def parse(text: bytes, where: str) -> Record:
    """Read a record.

    Raises:
        FarswitchError: The text is no record of a version that we know.
    """
    try:
        raw = json.loads(text)
        if raw["version"] != VERSION:
            raise FarswitchError(
                f"The record {where} has version {raw['version']!r}, wanted {VERSION}.",
                hint="Use the release of farswitch that made the cluster.",
            )
        hosts = {str(name): KeyPair(**pair) for name, pair in raw["hosts"].items()}
        controller, user = KeyPair(**raw["controller"]), KeyPair(**raw["user"])
        places = {str(name): str(place) for name, place in raw.get("places", {}).items()}
        site = int(raw.get("site", 0))
        mtu, claimed = int(raw["mtu"]), str(raw.get("claims", ""))
        return Record(int(raw["nodes"]), controller, user, hosts, site, places, mtu, claimed)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FarswitchError(
            f"The record {where} is damaged ({type(error).__name__}).",
            hint="Put it back from a backup, or tear the cluster down and build it again.",
        ) from error


def render(record: Record) -> bytes:
    """Return the record as the bytes of its file."""
    return json.dumps({"version": VERSION, **asdict(record)}, indent=1).encode() + b"\n"


def read(login: Shell, cluster_name: str) -> Record | None:
    """Return the cluster's record, or None where there is no such cluster."""
    path = path_of(cluster_name)
    text = login.read(path)
    return None if text is None else parse(text, f"'{path}' on server '{login.host}'")


def complete(have: Record | None, cluster: Cluster, site: int = 0, mtu: int = 0) -> Record:
    """Return the record with both sizes and a key for each of the cluster's guests.

    Keys of guests that are no longer wanted are dropped, others stay as they are.
    """
    name = cluster.name
    record = have or Record(
        nodes=len(cluster.guests),
        controller=generate(f"controller of {name}"),
        user=generate(f"{cluster.settings.user} of {name}"),
    )
    hosts = {
        guest.name: record.hosts.get(guest.name) or generate(f"{guest.name} of {name}")
        for guest in cluster.guests
    }
    places = {guest.name: place_of(guest) for guest in cluster.guests}
    return replace(
        record,
        nodes=len(cluster.guests),
        hosts=hosts,
        site=site,
        places=places,
        mtu=mtu,
        claims=claims.render(claims.claims_of(cluster)),
    )


def place_of(guest: Guest) -> str:
    """Return what a guest was told at its first boot, and cannot be changed later."""
    return f"VNI {guest.vni}, {guest.data_address}, {guest.management_address}"


def check_places(record: Record, cluster: Cluster) -> None:
    """Refuse a site that gives a guest of the built cluster another VNI or address.

    Raises:
        ConfigError: Networks, the VNI base or the order of the guests were changed.
    """
    for guest in cluster.guests:
        had = record.places.get(guest.name, place_of(guest))
        if had != place_of(guest):
            raise ConfigError(
                f"Guest '{guest.name}' of cluster '{cluster.name}' was built with {had}, "
                f"and the site wants {place_of(guest)}.",
                hint="Put the site back, or tear the cluster down first: "
                "python -m workflows.teardown",
            )


def record(
    task: Task,
    cluster: Cluster,
    holder: KeyHolder,
    site: int = 0,
    mtu: int = 0,
    *,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the cluster's record on the head's hypervisor and hand its keys to the connections.

    Args:
        task: Runs on the head's hypervisor.
        cluster: Whose record.
        holder: Gets the keys; a dry run without a record leaves it empty.
        site: How many guests the site names.
        mtu: Of the data network, in bytes.
        present: False removes the record.
        dry_run: Only tell.
    """
    login = shell(task)
    if not present:
        return _remove(task, login, cluster.name, dry=task.is_dry_run(dry_run))
    have = read(login, cluster.name)
    want = complete(have, cluster, site, mtu)
    if want != have and not task.is_dry_run(dry_run):
        login.write(path_of(cluster.name), render(want), mode=0o600)
    if have is not None or not task.is_dry_run(dry_run):
        holder.keys = want.guest_keys()
        task.host.data[RECORD] = want
    diff = "" if want == have else f"+ record of {want.nodes} nodes"
    return Result(host=task.host, changed=want != have, result=int(want != have), diff=diff)


def _remove(task: Task, login: Shell, cluster_name: str, *, dry: bool) -> Result:
    """Remove the record also where it is damaged, and the folders that are empty then."""
    path = path_of(cluster_name)
    there = login.facts([path])[path] is not None
    if not dry:
        login.remove(path)
        login.run(["rmdir", "--ignore-fail-on-non-empty", "--parents", FOLDER], check=False)
    diff = f"- {path}" if there else ""
    return Result(host=task.host, changed=there, result=int(there), diff=diff)
