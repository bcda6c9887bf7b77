"""/etc/hosts of a guest."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from farswitch.guests.files.render_once import render_once
from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.owner import Owner

PATH = "/etc/hosts"


def wanted_addresses(cluster: Cluster) -> dict[str, IPv4Address]:
    """Return the address that each guest's name leads to: the one on the data network."""
    return {guest.name: guest.data_address.ip for guest in cluster.guests}


@render_once
def hosts_files(addresses: Mapping[str, IPv4Address], owner: Owner) -> tuple[File, ...]:
    """Return the file that every guest gets, the same on all of them."""
    lines = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        *(f"{address} {name}" for name, address in addresses.items()),
    ]
    return (File.marked(PATH, owner.mark, "\n".join(lines)),)
