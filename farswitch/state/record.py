"""The record of a cluster: its size and keys, on the first hypervisor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from farswitch.connections.shell.keys import GuestKeys, KeyPair, generate
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lock import reserved
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest

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
        claims=reserved.render(reserved.claims_of(cluster)),
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
