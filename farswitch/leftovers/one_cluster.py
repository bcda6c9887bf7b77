"""What is to be removed of one cluster, from what was found on each server; pure."""

from __future__ import annotations

from collections.abc import Mapping

from farswitch.leftovers.orphans import Leftovers
from farswitch.model.owner import Owner
from farswitch.model.settings import DEFAULT_POOL, Settings


def owner_of(name: str, by_server: Mapping[str, Leftovers], site: Settings | None) -> Owner:
    """Return the marks of a cluster; its first VNI is that of its links, else the site's."""
    bases = (here.bases[name] for here in by_server.values() if name in here.bases)
    return Owner(name, next(bases, site.vni_base if site else None))


def pools_of(name: str, by_server: Mapping[str, Leftovers], site: Settings | None) -> list[str]:
    """Return the pools of a cluster: the site's and its volumes'; without a site all of ours."""
    if site is None:
        return sorted({DEFAULT_POOL, *(pool for here in by_server.values() for pool in here.pools)})
    objects = (leftover for here in by_server.values() for leftover in here.of(name))
    volumes = (leftover.name for leftover in objects if leftover.kind == "volume")
    return sorted({site.pool, *(volume.partition("/")[0] for volume in volumes)})
