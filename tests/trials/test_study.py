"""`make trial-study`: a study of switches on two real guests, killed at ten random moments.

The machine is too noisy for limits: under emulation the study may end with "host noisy", and all
its runs are there. The figures go into the summary.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ROOT, ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab
from tests.trials.studies import finished, killed, results, studied

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

VNI = 8951
EXAMPLES = ROOT / "examples"
KILLS = 10
BLOCKS = 6
Figure = Callable[[str, object], None]
STUDY = """\
title: What does the switch cost?
over: {path: [local, remote], switch: [bridge, ovs, c]}
programs: {kernels: builtin}
repeats: %d
seed: 14
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    with own_lab("fsy", (*WITH_GUESTS, "gcc", "ovs-vsctl")) as lab:
        control.up(lab)
        made = ClusterUnderTest(
            "fsy", VNI, "10.94.0", "10.94.1", lab, tmp_path_factory.mktemp("study"), size=2
        )
        choose(made, lab, tmp_path_factory.mktemp("programs"))
        made.good("build")
        yield made
        made.run("teardown")


def choose(cluster: ClusterUnderTest, _lab: Lab, folder: Path) -> None:
    """Write the site, with Open vSwitch and the example in C as further switches."""
    compiled = folder / "switch"
    subprocess.run(["gcc", "-O2", "-o", compiled, EXAMPLES / "switch.c"], check=True)
    switches = {
        "ovs": {"openvswitch": {"datapath": "netdev", "tso": True}},
        "c": {
            "program": {"file": str(compiled), "command": ["{file}", "{ports}"], "ready": "ready"}
        },
    }
    cluster.write_site(f"switches: {json.dumps(switches)}")


def test_a_study_of_local_and_three_switches_killed_ten_times(
    cluster: ClusterUnderTest, tmp_path: Path, record_property: Figure
) -> None:
    study = tmp_path / "four.yaml"
    study.write_text(STUDY % BLOCKS)
    planned = studied(cluster, "plan", str(study))
    assert (planned["runs"], planned["discarded"]) == (4 * BLOCKS, 4)
    draw = random.Random(14)
    began, kept = time.monotonic(), []
    for kill in range(KILLS):
        words = ["run" if not kept else "resume", str(study)]
        if kill == 0:
            words = ["plan", str(study), "--calibrate"]
        seconds = draw.uniform(5, 75)
        killed(cluster, *words, after=seconds)
        now = results(cluster, "four")
        assert now[: len(kept)] == kept, "what was kept stays as it was"
        kept = now
        print(f"kill {kill} after {seconds:.0f} s: {len(kept)} runs")
    document = finished(cluster, "resume" if kept else "run", study)
    record_property("figure", f"{time.monotonic() - began:.0f} s with {KILLS} kills")
    calibrated = studied(cluster, "plan", str(study), "--calibrate")
    assert (calibrated["left"], calibrated["unknown"], calibrated["seconds"]) == (0, 0, 0)
    runs = results(cluster, "four")
    good = Counter((one["block"], one["cell"], one["program"]) for one in runs if not one["error"])
    assert len(good) == 4 * (BLOCKS + 1)
    assert set(good.values()) == {1}
    assert all(one["proof"]["ok"] for one in runs)
    kinds = {one["switch"].get("kind", "local") for one in runs}
    assert kinds == {"local", "bridge", "openvswitch", "program"}
    for row in document["rows"]:
        record_property("figure", {name: row[name] for name in ("metric", "label", "median")} | {
            name: row[name] for name in ("slowdown", "interval", "verdict")})  # fmt: skip
    said = studied(cluster, "status", "four")
    assert said["rows"] == document["rows"]
    reported = studied(cluster, "report", "four")
    assert Path(reported["page"]).read_text().count("<svg") == 7
    assert document["host"] in {"quiet", "noisy"}
    assert cluster.good("verify", "--only", "server,tunnel,path").failed_checks() == []
    assert cluster.good("build").changed == 0, "the site's switch is in use again"
