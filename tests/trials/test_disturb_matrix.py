"""`make trial-disturb`: an MPI_Alltoall of known sizes between real guests on each kind of switch.

The matrix is the ports' own counters to the byte, three times on each. The figures go into the
summary.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import compare, observe, settle
from tests.lab.counted import ALLTOALL, BLOCK, ROUNDS, assert_exact, assert_ranks
from tests.own_lab import WITH_GUESTS, own_lab
from tests.trials.test_switch import EXAMPLES, choose, program

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]
JOB = ("--", "mpiexec.mpich", "-np", "6", "python3", "/shared/alltoall.py")
TIMES = 3
Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsm", (*WITH_GUESTS, "gcc", "ovs-vsctl")) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Return a cluster that the first of the tests here builds; its servers are given back."""
    settle(lab)
    untouched = observe(lab)
    made = ClusterUnderTest(
        "fsm", 8951, "10.96.4", "10.96.5", lab, tmp_path_factory.mktemp("matrix")
    )
    yield made
    made.run("teardown")
    assert compare(untouched, observe(lab)) == []


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("programs")
    compiled = folder / "switch"
    subprocess.run(["gcc", "-O2", "-o", compiled, EXAMPLES / "switch.c"], check=True)
    script = shutil.copy(EXAMPLES / "switch.py", folder)
    return {
        "bridge": "bridge",
        "openvswitch": {"openvswitch": {"datapath": "netdev", "tso": True}},
        "C": program(str(compiled), "{file}"),
        "Python": program(str(script), "python3", "{file}"),
    }


@pytest.mark.parametrize("name", ["bridge", "openvswitch", "C", "Python"])
def test_an_alltoall_of_known_sizes_is_exact(
    cluster: ClusterUnderTest, kinds: dict[str, object], name: str, record_property: Figure
) -> None:
    """Two ranks a guest: each pair of guests has four pairs of ranks."""
    choose(cluster, kinds[name])
    cluster.good("build")
    cluster.guest(1).good("cat >/shared/alltoall.py", stdin=ALLTOALL)
    for _ in range(TIMES):
        run = cluster.good("matrix", *JOB)
        found = run.document["matrix"]
        assert_ranks(run.document)
        assert_exact(found, payload=4 * BLOCK * ROUNDS)
        guests = {*found["guests"]}
        between = [one["bytes"] for one in found["pairs"] if one["to"] in guests]
        record_property(
            "figure",
            f"{name}: {sum(between):,} bytes in {len(between)} cells for a payload of "
            f"{6 * 4 * BLOCK * ROUNDS:,}, equal to the ports' counters, in {found['seconds']} s",
        )
    assert "netdev" not in cluster.on("server2", ["nft", "list", "tables"])
