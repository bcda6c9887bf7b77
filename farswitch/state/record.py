"""The record of a cluster: its size and keys, on the first hypervisor."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import Any, Final, Literal

from pydantic import Field

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.keys import KeyPair, generate
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lock.reserved import Reserved, reserved_by
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.model.switch import Switch, parse_switch
from farswitch.state.document import ServerDocument, load_versioned, reason

FOLDER = "/var/lib/farswitch/clusters"
VERSION: Final = 3


class GuestPlace(ServerDocument):
    """What a guest is given at its first boot, and cannot be changed later."""

    vni: int
    data: IPv4Interface
    management: IPv4Interface

    def __str__(self) -> str:
        return f"VNI {self.vni}, {self.data}, {self.management}"


class SwitchInUse(ServerDocument):
    """A switch that took the place of the site's: its name, and the adapter as a site writes it."""

    name: str
    adapter: str | dict[str, Any]


class Record(ServerDocument):
    """The number of nodes and the keys: the controller's, the users' own, one a guest's sshd.

    Attributes:
        site: How many nodes the site named then: when it names another number, that one counts.
        places: VNI and addresses of each guest, which it keeps as long as it lives.
        mtu: The data network's as it was built, in bytes.
        reserved: What no other cluster may have; None in a record that is older than this.
        switch: What was put in use instead of the site's switch; None: the site's is.
    """

    version: Literal[3] = VERSION
    nodes: int
    controller: KeyPair = Field(repr=False)
    user: KeyPair = Field(repr=False)
    hosts: dict[str, KeyPair] = Field(repr=False)
    site: int = 0
    places: dict[str, GuestPlace] = Field(default_factory=dict)
    mtu: int
    reserved: Reserved | None = None
    switch: SwitchInUse | None = None


class RecordDamagedError(FarswitchError):
    """A record cannot be read; it is never replaced."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The record {where} is damaged: {why}.",
            hint="Restore it from a backup, or tear the cluster down and build it again.",
        )


def path_of(cluster_name: str) -> str:
    """Return where the record lies on the head's hypervisor."""
    return f"{FOLDER}/{cluster_name}.json"


def parse(content: bytes, where: str) -> Record:
    """Read a record of this version, or of one before.

    Raises:
        NewerDocumentError: A newer release wrote it.
        RecordDamagedError: It is no record.
    """
    try:
        raw = load_versioned(content, VERSION, f"The record {where}")
        raw = _from_version_1(raw) if raw["version"] == 1 else raw
        return Record.model_validate(raw | {"version": VERSION})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordDamagedError(where, reason(error)) from error


def render(record: Record) -> bytes:
    """Return the record as the bytes of its file."""
    return record.model_dump_json(indent=1).encode() + b"\n"


def read(login: Shell, cluster_name: str) -> Record | None:
    """Return the cluster's record, or None where there is no such cluster."""
    path = path_of(cluster_name)
    content = login.read(path)
    return None if content is None else parse(content, f"'{path}' on server '{login.host}'")


def read_all(login: Shell) -> dict[str, Record | FarswitchError]:
    """Return the records of all clusters by name; for one that cannot be read, the reason."""
    argv = ("find", FOLDER, "-maxdepth", "1", "-type", "f", "-name", "*.json")
    paths = sorted(login.run(argv, check=False).stdout.splitlines())
    records: dict[str, Record | FarswitchError] = {}
    for path, file in login.facts(paths).items() if paths else ():
        if file is not None:  # else it was removed meanwhile
            name = path.removeprefix(f"{FOLDER}/").removesuffix(".json")
            try:
                records[name] = parse(file.content, f"'{path}' on server '{login.host}'")
            except FarswitchError as error:
                records[name] = error
    return records


def complete(have: Record | None, cluster: Cluster, site: int = 0, mtu: int = 0) -> Record:
    """Return the record with both sizes and a key for each of the cluster's guests.

    Keys of guests that are no longer wanted are dropped, others stay as they are.
    """
    name, keys = cluster.name, have.hosts if have else {}
    return Record(
        nodes=len(cluster.guests),
        controller=have.controller if have else generate(f"controller of {name}"),
        user=have.user if have else generate(f"{cluster.settings.user} of {name}"),
        hosts={
            guest.name: keys.get(guest.name) or generate(f"{guest.name} of {name}")
            for guest in cluster.guests
        },
        site=site,
        places={guest.name: place_of(guest) for guest in cluster.guests},
        mtu=mtu,
        reserved=reserved_by(cluster),
    )


def adapter_of(used: SwitchInUse) -> Switch:
    """Return the adapter of the switch in use.

    Raises:
        FarswitchError: It is none that is known here.
    """
    try:
        return parse_switch(used.adapter)
    except ValueError as error:  # pydantic's are, too
        raise FarswitchError(
            f"The switch in use, '{used.name}', is no switch that this farswitch knows.",
            hint="Install the package of its adapter here, as on the controller that put it in "
            "use. Or take the site's switch again: farswitch build",
        ) from error


def place_of(guest: Guest) -> GuestPlace:
    """Return the place that the site gives a guest."""
    return GuestPlace(vni=guest.vni, data=guest.data_address, management=guest.management_address)


def check_places(record: Record, cluster: Cluster) -> None:
    """Refuse a site that gives a guest of the built cluster another VNI or address.

    Raises:
        ConfigError: Networks, the VNI base or the order of the guests were changed.
    """
    for guest in cluster.guests:
        built, wanted = record.places.get(guest.name), place_of(guest)
        if built is not None and built != wanted:
            raise ConfigError(
                f"Guest '{guest.name}' of cluster '{cluster.name}' was built with {built}, "
                f"and the site wants {wanted}.",
                hint="Put the site back, or tear the cluster down first: farswitch teardown",
            )


def _from_version_1(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 1 as one of later ones: it had sentences for places and claims."""
    places, claims = raw.pop("places", {}), raw.pop("claims", "").split()
    return raw | {
        "places": {name: _from_sentence(place) for name, place in places.items()},
        "reserved": {"vnis": claims[:2], "networks": claims[2:]} if claims else None,
    }


def _from_sentence(place: str) -> dict[str, str]:
    vni, data, management = place.removeprefix("VNI ").split(", ")
    return {"vni": vni, "data": data, "management": management}
