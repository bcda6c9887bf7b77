"""What no two clusters on a server may have in common: VNIs, and networks."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from farswitch.lock.lease import Words
from farswitch.model.cluster import Cluster


def claims_of(cluster: Cluster) -> Words:
    """Return the first and the last VNI of a cluster, and its networks."""
    settings = cluster.settings
    return {
        "vnis": [settings.vni_base, settings.vni_base + max(0, len(cluster.guests) - 1)],
        "networks": [str(settings.data_network), str(settings.management_network)],
    }


def shared(ours: Words, theirs: Words) -> Iterator[str]:
    """Yield what two clusters both lay claim to; one that claims nothing clashes with nobody."""
    if not ours:
        return
    first, last = theirs.get("vnis", (1, 0))
    if ours["vnis"][0] <= last and first <= ours["vnis"][1]:
        yield f"VNIs {first} to {last}"
    for network in theirs.get("networks", ()):
        if any(IPv4Network(network).overlaps(IPv4Network(own)) for own in ours["networks"]):
            yield network


def render(claims: Words) -> str:
    """Return claims as one line of words."""
    return " ".join(map(str, (*claims["vnis"], *claims["networks"])))


def parse(line: str) -> Words:
    """Read what `render` wrote.

    Raises:
        ValueError: It did not write this.
    """
    first, last, *networks = line.split()
    return {
        "vnis": [int(first), int(last)],
        "networks": [str(IPv4Network(network)) for network in networks],
    }
