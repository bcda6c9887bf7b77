"""Where a teardown looks for one cluster, with and without its site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.leftovers.one_cluster import owner_of, pools_of
from farswitch.leftovers.orphans import Leftover, Leftovers, Times
from farswitch.model.owner import Owner
from farswitch.model.settings import DEFAULT_POOL, Settings

NOTHING = Leftovers((), frozenset(), {}, (), (), {}, frozenset(), Times(0, 0, {}), libvirt=True)
SITE = Settings(cluster="a", vni_base=41, pool="mine")
VOLUMES = (Leftover("a", "volume", "old/a.n1.1.qcow2"), Leftover("b", "volume", "b/b.n1.1.qcow2"))


@pytest.mark.parametrize(
    ("bases", "site", "owner"),
    [
        pytest.param({"a": 51}, SITE, Owner("a", 51), id="its-links-were-made-by-another-site"),
        pytest.param({"b": 61}, SITE, Owner("a", 41), id="without-links-the-sites"),
        pytest.param({"a": 51}, None, Owner("a", 51), id="without-a-site-its-links"),
        pytest.param({}, None, Owner("a"), id="nothing-is-known"),
    ],
)
def test_the_links_of_a_cluster_are_known_by_its_first_vni(bases, site, owner):
    other = replace(NOTHING, bases={"b": 61})
    assert owner_of("a", {"s1": other, "s2": replace(NOTHING, bases=bases)}, site) == owner


def test_a_site_keeps_a_teardown_out_of_other_clusters_pools():
    by_server = {"s1": replace(NOTHING, objects=VOLUMES, pools=("b", "old")), "s2": NOTHING}
    assert pools_of("a", by_server, SITE) == ["mine", "old"]
    assert pools_of("a", by_server, None) == sorted(["b", "old", DEFAULT_POOL])
