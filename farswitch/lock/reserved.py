"""What no two clusters on a server may have in common: VNIs, and networks."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from pydantic import BaseModel, ConfigDict

from farswitch.model.cluster import Cluster


class Reserved(BaseModel):
    """The first and the last VNI of a cluster, and its networks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vnis: tuple[int, int]
    networks: tuple[IPv4Network, ...]

    def shared_with(self, other: Reserved) -> Iterator[str]:
        """Yield what another cluster has that this one needs alone."""
        first, last = other.vnis
        if self.vnis[0] <= last and first <= self.vnis[1]:
            yield f"VNIs {first} to {last}"
        for network in other.networks:
            if any(network.overlaps(ours) for ours in self.networks):
                yield str(network)


def reserved_by(cluster: Cluster) -> Reserved:
    """Return what a cluster reserves on each of its servers."""
    settings = cluster.settings
    last = settings.vni_base + max(0, len(cluster.guests) - 1)
    networks = (settings.data_network, settings.management_network)
    return Reserved(vnis=(settings.vni_base, last), networks=networks)
