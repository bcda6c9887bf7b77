"""`switch bench` as a user types it: it measures, refuses what cannot be, and leaves nothing."""

import pytest

from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import compare, observe, settle

pytestmark = pytest.mark.root


def test_it_measures_beside_no_cluster_and_leaves_the_servers_as_they_were(lab, tmp_path):
    cluster = ClusterUnderTest("fsbn", 5421, "10.98.4", "10.99.4", lab, tmp_path, size=2)
    cluster.write_site()
    settle(lab)
    before = observe(lab)
    for words, sentence in (
        (("nothing",), "There is no switch 'nothing', wanted one of 'bridge'"),
        (("--only", "speed"), "'--only' has 'speed'"),
        (("bridge", "--frames", "9000"), "Frames of 9000 bytes do not fit"),
    ):
        refused = cluster.run("switch bench", *words)
        assert (refused.status, sentence in refused.errors) == (2, True), refused.said
    done = cluster.good(
        "switch bench", "bridge", "--frames", "64", "--seconds", "0.2", "--only", "latency"
    )
    bench = done.document["bench"]
    assert [one["name"] for one in bench["switches"]] == ["bare underlay", "bridge"]
    for switch in bench["switches"]:
        (light,) = switch["lights"]
        assert (light["sent"] > 100, light["loss"]) == (True, 0)
    assert "Latency at 1,000 frames a second" in done.said
    assert compare(before, observe(lab)) == []
