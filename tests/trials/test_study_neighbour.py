"""`make trial-study`: two jobs on disjoint nodes of four real guests, in cells of a smaller MTU.

The machine is too noisy for limits: that all was measured, beside whom, and that nothing of a
killed run stays, is what is held.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farswitch.lab import control
from tests.lab.clusters import ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab
from tests.trials.studies import finished, killed, results

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

NODES, MTU = 4, 1400
KILLS, BLOCKS = 5, 2
Figure = Callable[[str, object], None]
STUDY = f"""\
title: Two jobs on one switch
over: {{neighbour: [none, netpipe, kernels], mtu: [{MTU}]}}
programs:
  kernels: builtin
  netpipe:
    run: NPmpich2 -l 65536 -u 65536 -o /dev/null
    ranks: 2
    metric: {{find: "--> +([0-9.]+) Mbps", unit: Mbit/s, better: more}}
repeats: {BLOCKS}
seed: 14
"""
JOBS = {"NPmpich2", "hydra_pmi_proxy", "mpiexec.mpich", "python3"}
"""Names of processes that a job has on its nodes, and nobody else."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    with own_lab("fsn", WITH_GUESTS) as lab:
        control.up(lab)
        made = ClusterUnderTest(
            "fsn", 8981, "10.89.0", "10.89.1", lab, tmp_path_factory.mktemp("study"), size=NODES
        )
        made.write_site()
        made.good("build")
        yield made
        made.run("teardown")


def mtu(cluster: ClusterUnderTest, number: int) -> int:
    return int(cluster.guest(number).good("cat /sys/class/net/data0/mtu"))


def test_two_jobs_share_a_switch_and_a_killed_study_goes_on(
    cluster: ClusterUnderTest, tmp_path: Path, record_property: Figure
) -> None:
    study = tmp_path / "pairs.yaml"
    study.write_text(STUDY)
    own = mtu(cluster, 1)
    draw = random.Random(5)
    began, kept = time.monotonic(), []
    for kill in range(KILLS):
        killed(cluster, "resume" if kept else "run", str(study), after=draw.uniform(15, 100))
        now = results(cluster, "pairs")
        assert now[: len(kept)] == kept, "what was kept stays as it was"
        kept = now
        print(f"kill {kill}: {len(kept)} runs, MTU {mtu(cluster, 1)}")
    document = finished(cluster, "resume" if kept else "run", study)
    record_property("figure", f"{time.monotonic() - began:.0f} s with {KILLS} kills")
    runs = results(cluster, "pairs")
    good = Counter((one["block"], one["cell"], one["program"]) for one in runs if not one["error"])
    assert len(good) == 3 * 2 * (BLOCKS + 1)
    assert set(good.values()) == {1}
    for run in runs:
        assert_shared(run)
    assert {(row["neighbour"], row["metric"]) for row in document["beside"]} >= {
        (beside, "netpipe") for beside in ("netpipe", "kernels")
    }
    for row in document["beside"]:
        record_property("figure", row)
    assert {mtu(cluster, number) for number in range(1, NODES + 1)} == {own}
    for guest in cluster.guests(NODES):
        assert JOBS.isdisjoint(guest.good("cat /proc/[0-9]*/comm 2>/dev/null || :").split())
    assert cluster.good("verify", "--only", "server,tunnel,path").failed_checks() == []
    assert cluster.good("build").changed == 0


def assert_shared(run: dict[str, Any]) -> None:
    """A run has the cell's MTU proved, and a neighbour where one was asked for, over the switch."""
    assert run["proof"]["ok"]
    assert run["factors"]["mtu"] == MTU
    beside = run["factors"].get("neighbour", "none") != "none"
    assert beside == (run["neighbour_runs"] > 0)
    if beside and not run["error"]:
        assert all(run["ports"][f"node{number}"]["received"] > 0 for number in (3, 4))
