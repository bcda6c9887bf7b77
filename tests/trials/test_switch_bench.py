"""`make trial-disturb`: switches alone, told apart in one run, a bad one found, and nothing left.

The figures go into the summary; of the machine's speed nothing is asserted but that one run with
four kinds of switch ends within twenty minutes.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ROOT, ClusterUnderTest
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.lab.guests import mpiexec
from tests.own_lab import WITH_GUESTS, own_lab
from tests.schemas import assert_fits

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

VNI, LONGEST = 8951, 20 * 60
EXAMPLES = ROOT / "examples"
KINDS = ("bridge", "ovs", "c", "python")
SEND = "                    out.send(frame)\n"
DROPS = "                    if random.random() > 0.01:\n                        out.send(frame)\n"
HOLDS = "                    held.append((time.monotonic() + 0.001, out, frame))\n"
LOOP = "while True:\n    for port in select.select(ports, [], [])[0]:\n"
LATE_LOOP = """\
held = collections.deque()
while True:
    while held and held[0][0] <= time.monotonic():
        _, out, frame = held.popleft()
        out.send(frame)
    for port in select.select(ports, [], [], 0.0001 if held else None)[0]:
"""
Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fswb", (*WITH_GUESTS, "gcc", "ovs-vsctl")) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def untouched(lab: Lab) -> Snapshot:
    settle(lab)
    return observe(lab)


def program(file: Path, *words: str) -> dict[str, object]:
    return {"program": {"file": str(file), "command": [*words, "{ports}"], "ready": "ready"}}


@pytest.fixture(scope="module")
def cluster(
    lab: Lab, untouched: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterUnderTest]:
    """Return a cluster that is not built, whose site names each kind of switch and two bad ones."""
    folder = tmp_path_factory.mktemp("bench")
    compiled, script = folder / "switch", Path(shutil.copy(EXAMPLES / "switch.py", folder))
    subprocess.run(["gcc", "-O2", "-o", compiled, EXAMPLES / "switch.c"], check=True)
    text = script.read_text()
    assert SEND in text
    assert LOOP in text
    drops, slow = folder / "drops.py", folder / "slow.py"
    drops.write_text(f"import random\n{text.replace(SEND, DROPS)}")
    slow.write_text(
        f"import collections\nimport time\n{text.replace(SEND, HOLDS).replace(LOOP, LATE_LOOP)}"
    )
    switches = {
        "ovs": {"openvswitch": {"datapath": "netdev", "tso": True}},
        "c": program(compiled, "{file}"),
        "python": program(script, "python3", "{file}"),
        "drops": program(drops, "python3", "{file}"),
        "slow": program(slow, "python3", "{file}"),
    }
    made = ClusterUnderTest("fswb", VNI, "10.97.0", "10.97.1", lab, folder, size=2)
    made.write_site(f"switches: {json.dumps(switches)}")
    yield made
    made.run("teardown")


def bench(cluster: ClusterUnderTest, *words: str) -> dict[str, Any]:
    """Run `farswitch switch bench` and return its document."""
    argv = cluster.argv("switch bench", "--json", *words)
    done = subprocess.run(
        argv, cwd=ROOT, env=cluster.environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=2 * LONGEST, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert_fits("switch", document)
    return document


def by_name(document: Mapping[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in document["bench"]["switches"]}


def lights(switch: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    return {one["size"]: one for one in switch["lights"]}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures by which two switches are told apart: a quarter more, or another kind."""
    pairs = {
        f"median latency at {size} bytes": (
            found["latency"]["p50"],
            lights(other)[size]["latency"]["p50"],
        )
        for size, found in lights(one).items()
    }
    for loads in zip(one["loads"], other["loads"], strict=True):
        less, more = sorted(loads, key=lambda load: load["throughput"])
        if less["limit"] == "switch":  # else it may be as much: it is at least that
            name = f"throughput at {less['size']} bytes"
            pairs[name] = less["throughput"], more["throughput"]
    for name, (mine, theirs) in pairs.items():
        if min(mine, theirs) * 1.25 < max(mine, theirs):
            yield f"{name} {max(mine, theirs) / max(min(mine, theirs), 1e-9):.2f} times"
    known = [switch["learning"]["most"] for switch in (one, other)]
    if known[0] != known[1]:
        yield f"addresses kept {known}"


def test_all_kinds_are_told_apart_in_one_run(
    cluster: ClusterUnderTest, lab: Lab, untouched: Snapshot, record_property: Figure
) -> None:
    began = time.monotonic()
    document = bench(cluster, *KINDS)
    took = time.monotonic() - began
    found = by_name(document)
    assert list(found) == ["bare underlay", *KINDS]
    record_property("figure", f"four kinds and the underlay, all tests: {took:.0f} s")
    for name, switch in found.items():
        rates = {one["size"]: (round(one["throughput"]), one["limit"]) for one in switch["loads"]}
        trips = {size: one["latency"]["p50"] for size, one in lights(switch).items()}
        record_property("figure", f"{name}: {rates}; median µs {trips}; {switch['learning']}")
    for one, other in itertools.combinations(KINDS, 2):
        apart = list(differences(found[one], found[other]))
        record_property("figure", f"{one} and {other}: {len(apart)} figures, {apart[:3]}")
        assert apart, (one, other)
    assert took < LONGEST
    assert compare(untouched, observe(lab)) == []


def test_one_that_drops_a_hundredth_and_one_that_waits_a_millisecond_are_seen(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    document = bench(cluster, "python", "drops", "slow", "--only", "latency", "--frames", "64,1468")
    found = {name: lights(switch) for name, switch in by_name(document).items()}
    for size in (64, 1468):
        good, drops, slow = (found[name][size] for name in ("python", "drops", "slow"))
        record_property(
            "figure",
            f"{size} bytes: lost {good['loss']:.2%}, {drops['loss']:.2%}, {slow['loss']:.2%}; "
            f"median µs {[one['latency']['p50'] for one in (good, drops, slow)]}",
        )
        assert good["loss"] < 0.003
        assert 0.005 < drops["loss"] < 0.017  # of 2,000: five times the binomial deviation
        waited = slow["latency"]["p50"] - good["latency"]["p50"]
        assert 800 < waited < 2000


def test_a_run_that_is_killed_leaves_what_orphans_and_the_next_run_remove(
    cluster: ClusterUnderTest, lab: Lab, untouched: Snapshot
) -> None:
    words = ("python", "--only", "latency", "--frames", "64")
    with cluster.start("switch bench", *words) as run:
        wait_until(
            lambda: "fsx" in cluster.on("server2", ["ip", "-o", "link"]),
            Deadline(120),
            what="The ports of the program",
        )
        run.kill()
    listed = cluster.run("orphans").document["remains"]
    assert {one["cluster"] for one in listed} == {"fswb-bench"}
    assert {"bridge", "veth", "vxlan"} <= {one["kind"] for one in listed}
    bench(cluster, *words)
    assert compare(untouched, observe(lab)) == []


def test_ctrl_c_takes_all_away(cluster: ClusterUnderTest, lab: Lab, untouched: Snapshot) -> None:
    with cluster.start("switch bench", "python", "--frames", "64") as run:
        wait_until(
            lambda: "fsx" in cluster.on("server2", ["ip", "-o", "link"]),
            Deadline(120),
            what="The ports of the program",
        )
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=120) == 130
    assert compare(untouched, observe(lab)) == []


WAITS = """
import os, time
from mpi4py import MPI
MPI.COMM_WORLD.Barrier()
while not os.path.exists("/shared/over"):
    time.sleep(0.2)
"""
"""A job that sends nothing, and goes on until a file is there."""
RUNS = "grep -sqx hydra_pmi_proxy /proc/[0-9]*/comm"


def test_it_is_refused_beside_a_job_and_leaves_a_cluster_as_it_stands(
    cluster: ClusterUnderTest,
) -> None:
    cluster.good("build")
    words = ("bridge", "--only", "latency", "--frames", "64")
    node1 = cluster.guest(1)
    node1.good("rm -f /shared/over; cat >/shared/waits.py", stdin=WAITS)
    line = mpiexec(cluster.guests(2), "python3 /shared/waits.py")
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(node1.good, line, seconds=900.0)
        try:
            wait_until(lambda: node1.run(RUNS).returncode == 0, Deadline(60), what="The job")
            refused = cluster.run("switch bench", *words)
            assert refused.status == 1
            assert "An MPI job runs on 'node" in refused.errors
            assert "Nothing was touched." in refused.document["failures"][0]["hint"]
        finally:
            node1.good("touch /shared/over")
        job.result()
    cluster.good("switch bench", *words)
    assert cluster.good("build").changed == 0
    assert cluster.good("verify", "--only", "server,tunnel,path").failed_checks() == []
    cluster.good("teardown")
