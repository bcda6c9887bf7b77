"""`make trial-study`: two clusters on one pair of servers, one measured alone and beside the other.

The machine is too noisy for limits: that all was measured, and said as it is, is what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.lab import control
from tests.lab.clusters import ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab
from tests.trials.studies import finished, studied

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

BLOCKS = 6
Figure = Callable[[str, object], None]
STUDY = """\
over: {path: [remote, local]}
programs: {kernels: builtin}
repeats: %d
"""
STOP = "/shared/stop"
JOB = (
    f"while [ ! -e {STOP} ] && mpiexec.mpich -np 2 NPmpich2 -l 65536 "
    "-u 65536 -o /dev/null; do :; done"
)


@pytest.fixture(scope="module")
def clusters(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ClusterUnderTest, ClusterUnderTest]]:
    """Two clusters of two guests each, on the same two servers."""
    with own_lab("fstw", WITH_GUESTS) as lab:
        control.up(lab)
        folder = tmp_path_factory.mktemp("two")
        one = ClusterUnderTest("fsta", 8961, "10.90.0", "10.90.1", lab, folder, size=2)
        two = ClusterUnderTest("fstb", 8971, "10.90.2", "10.90.3", lab, folder, size=2)
        for cluster in (one, two):
            cluster.write_site()
            cluster.good("build")
        yield one, two
        for cluster in (one, two):
            cluster.run("teardown")


def measured(cluster: ClusterUnderTest, study: Path) -> None:
    """Run a study to its end."""
    study.write_text(STUDY % BLOCKS)
    finished(cluster, "run", study)


def test_a_cluster_is_measured_alone_and_beside_another(
    clusters: tuple[ClusterUnderTest, ClusterUnderTest], tmp_path: Path, record_property: Figure
) -> None:
    one, two = clusters
    measured(one, tmp_path / "alone.yaml")
    job = two.start("exec", "--on", "node1", "--timeout", "86400", JOB)
    try:
        crossed = two.good("matrix", "--for", "90").document["matrix"]
        measured(one, tmp_path / "beside.yaml")
        assert job.poll() is None, "the other cluster's job went on meanwhile"
    finally:
        two.good("exec", "--on", "node1", f"touch {STOP}")
        job.wait(600)
    assert job.returncode == 0
    assert sum(pair["bytes"] for pair in crossed["pairs"]) > 65536
    compared = studied(one, "compare", "alone", "beside")
    assert {row["cell"] for row in compared["rows"]} == {"path=remote", "path=local"}
    for row in compared["rows"]:
        record_property("figure", row)
        print(row)
    for cluster in clusters:
        assert cluster.good("verify", "--only", "server,tunnel,path").failed_checks() == []
        assert cluster.good("build").changed == 0
