"""`make trial-switch`: each kind of switch in the path of real guests, proved, broken and removed.

One cluster has them one after the other. The figures go into the summary; the machine is too noisy
for limits.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.lab.guests import mpiexec
from tests.own_lab import WITH_GUESTS, own_lab
from tests.schemas import assert_fits

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

VNI = 8901
EXAMPLES = Path(__file__).parents[2] / "examples"
Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsw", (*WITH_GUESTS, "gcc", "ovs-vsctl")) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def untouched(lab: Lab) -> Snapshot:
    settle(lab)
    return observe(lab)


@pytest.fixture(scope="module")
def cluster(
    lab: Lab, untouched: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterUnderTest]:
    """Return a cluster that the first of the tests here builds."""
    made = ClusterUnderTest(
        "fsw", VNI, "10.96.0", "10.96.1", lab, tmp_path_factory.mktemp("switch")
    )
    yield made
    made.run("teardown")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return what the site says of each switch, by what this trial calls it."""
    folder = tmp_path_factory.mktemp("programs")
    compiled = folder / "switch"
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", compiled, EXAMPLES / "switch.c"],
        check=True,
    )
    script = shutil.copy(EXAMPLES / "switch.py", folder)
    return {
        "bridge": "bridge",
        "openvswitch": {"openvswitch": {"datapath": "netdev", "tso": True}},
        "C": program(str(compiled), "{file}"),
        "container": program(str(compiled), "{file}", container=True),
        "Python": program(str(script), "python3", "{file}"),
    }


def program(file: str, *words: str, **more: object) -> dict[str, object]:
    about = {"file": file, "command": [*words, "{ports}"], "ready": "ready"}
    return {"program": about | more}


def choose(cluster: ClusterUnderTest, switch: object) -> None:
    cluster.write_site(f"switch: {json.dumps(switch)}")


@pytest.mark.parametrize("name", ["bridge", "openvswitch", "C", "container", "Python"])
def test_a_cluster_is_built_and_proved_on_each(
    cluster: ClusterUnderTest, kinds: dict[str, object], name: str, record_property: Figure
) -> None:
    choose(cluster, kinds[name])
    began = time.monotonic()
    built = cluster.good("build")
    took = time.monotonic() - began
    assert built.changed > 0
    assert cluster.good("build").changed == 0
    began = time.monotonic()
    proved = cluster.good("verify", "--attack", "--control")
    record_property(
        "figure",
        f"{name}: build {took:.1f} s, verify --attack --control {time.monotonic() - began:.1f} s; "
        f"{proved.document['conclusion']}",
    )
    crossed, wanted = proved.crossed()
    assert crossed == wanted > 0
    skipped = {check["name"] for check in proved.document["checks"] if check["ok"] is None}
    assert not {one for one in skipped if one.startswith(("reach.", "mtu.", "mpi."))}
    guests = cluster.good("status").document["guests"]
    assert [guest["port"] for guest in guests] == ["up"] * 3
    counts = [one["count"] for one in cluster.good("trace", "node1", "node3").document["hops"]]
    assert set(counts) == {20}


def test_a_program_that_is_killed_is_named_at_once_and_started_by_a_build(
    cluster: ClusterUnderTest,
) -> None:
    pids = cluster.on("server2", ["pgrep", "-f", "[s]witch.py fsx"]).split()
    cluster.on("server2", ["kill", "-9", *pids])
    run = cluster.run("verify", "--only", "server")
    (check,) = [one for one in run.failed_checks() if one["name"] == "server.switch"]
    assert "was killed by signal 9" in check["measured"]
    ports = [guest["port"] for guest in cluster.run("status").document["guests"]]
    assert ports == ["not held by program"] * 3
    cluster.follow(check["fix"])
    assert cluster.good("verify", "--only", "server,path").failed_checks() == []
    pids = cluster.on("server2", ["pgrep", "-f", "[s]witch.py fsx"]).split()
    cluster.on("server2", ["kill", "-9", *pids])
    cluster.good("start")
    assert cluster.good("verify", "--only", "server,path").failed_checks() == []


SEND = "                    out.send(frame)\n"
MISBEHAVIOURS = {
    "drops": ("import random\n", "if random.random() > 0.01:", "lost"),
    "doubles": ("", "for _ in range(2):", "doubled"),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_what_a_program_loses_or_doubles_is_said_to_be_its_own(
    cluster: ClusterUnderTest, tmp_path: Path, name: str, record_property: Figure
) -> None:
    first, around, said = MISBEHAVIOURS[name]
    text = (EXAMPLES / "switch.py").read_text()
    assert SEND in text
    own = tmp_path / "own.py"
    inside = SEND.replace("out.send", f"{around}\n                        out.send")
    own.write_text(text.replace("import select\n", f"import select\n{first}").replace(SEND, inside))
    choose(cluster, program(str(own), "python3", "{file}"))
    cluster.good("build")
    run = cluster.run("verify", "--only", "path")
    notes = [line for line in run.document["notes"] if line.startswith("The switch 'program'")]
    assert len(notes) == 3, run.said
    assert all(f" {said} " in line for line in notes)
    record_property("figure", f"{name}: {notes[0]}")
    failed = {check["name"] for check in run.failed_checks()}
    assert failed <= ({"path.once"} if name == "doubles" else set())


def test_a_program_that_sends_frames_back_is_found_by_where_addresses_are(
    cluster: ClusterUnderTest, tmp_path: Path, kinds: dict[str, object]
) -> None:
    """A bridge on the way takes the guest to be behind the switch: what is for it gets lost."""
    choose(cluster, kinds["Python"])
    cluster.good("build")
    text = (EXAMPLES / "switch.py").read_text()
    own = tmp_path / "own.py"
    own.write_text(text.replace(SEND, f"{SEND}                    port.send(frame)\n"))
    choose(cluster, program(str(own), "python3", "{file}"))
    assert "mpi_smoke" in {one["stage"] for one in cluster.run("build").document["failures"]}
    strays = [
        check["measured"]
        for check in cluster.run("verify", "--only", "tunnel").failed_checks()
        if (check["name"], check["host"]) == ("tunnel.fdb", "server2")
    ]
    assert any(f"on fsp{VNI} of fsn{VNI}" in measured for measured in strays), strays


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sh", "-c", "echo no such port; exit 3"], "exit code 3"),
        (["sh", "-c", "echo not yet; sleep 600"], "is not ready after 5 s"),
    ],
)
def test_a_program_that_does_not_come_up_is_a_failed_build_with_its_words(
    cluster: ClusterUnderTest, words: list[str], said: str
) -> None:
    choose(cluster, {"program": {"command": words, "ready": "ready", "ready_timeout": 5}})
    run = cluster.run("build")
    assert run.status == 1
    assert said in run.errors
    assert words[-1].split(";")[0].removeprefix("echo ") in run.errors


LAPS = """
import json, os, time
from array import array
from mpi4py import MPI
world, size = MPI.COMM_WORLD, 4096
laps, wrong, longest, over = 0, 0, 0.0, False
while not over:
    began = time.monotonic()
    total = array("d", bytes(8 * size))
    world.Allreduce(array("d", [world.rank + laps]) * size, total)
    wrong += total != array("d", [sum(range(world.size)) + world.size * laps]) * size
    over = world.bcast(os.path.exists("/shared/over") if world.rank == 0 else None)
    laps, longest = laps + 1, max(longest, time.monotonic() - began)
if world.rank == 0:
    print(json.dumps({"laps": laps, "wrong": wrong, "longest": longest}), flush=True)
"""
"""A job that goes on until a file is there: a sum over all ranks of 32 KiB, checked each time."""


def switched(cluster: ClusterUnderTest, *words: str, status: int = 0) -> dict[str, Any]:
    """Run `farswitch switch` and return its document."""
    argv = [sys.executable, "-m", "workflows.switch", *words, "--site", str(cluster.site), "--json"]
    done = subprocess.run(
        argv, cwd=EXAMPLES.parent, env=cluster.environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert_fits("switch", document)
    return document


def test_switches_are_exchanged_under_one_job(
    cluster: ClusterUnderTest, kinds: dict[str, object], record_property: Figure
) -> None:
    named = {name.lower(): kind for name, kind in kinds.items() if name != "bridge"}
    named["ovs"] = named.pop("openvswitch")
    named["dead"] = {"program": {"command": ["sh", "-c", "exit 3"], "ready": "ready"}}
    cluster.write_site(f"switches: {json.dumps(named)}")
    cluster.good("build")
    node1 = cluster.guest(1)
    node1.good("rm -f /shared/over; cat >/shared/laps.py", stdin=LAPS)
    line = mpiexec(cluster.guests(), "python3 /shared/laps.py")
    foreseen = switched(cluster, "use", "python", "--dry-run")
    lines = [one["what"] for one in foreseen["plan"]]
    assert lines.count("program python3 (3 ports)") == 1
    assert "switch bridge -> program: make before break" in lines
    assert switched(cluster, "status")["switch"]["name"] == "bridge"
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(node1.good, line, seconds=900.0)
        try:
            for name in ("ovs", "c", "python", "bridge", "container", "bridge"):
                exchange = switched(cluster, "use", name)["exchange"]
                assert exchange["stream"]["sent"] > 0
                record_property("figure", f"{exchange['from']} to {name}: {exchange}")
                standing = switched(cluster, "status")["switch"]
                assert (standing["name"], standing["missing"], standing["fault"]) == (name, [], "")
                assert not job.done(), job.result()
            failed = switched(cluster, "use", "dead", status=1)
            assert "exit code 3" in failed["failures"][0]["error"]
            assert switched(cluster, "status")["switch"]["name"] == "bridge"
            assert not job.done(), job.result()
        finally:
            node1.good("touch /shared/over")
        laps = json.loads(job.result())
    record_property("figure", f"the job: {laps}")
    assert laps["wrong"] == 0
    assert cluster.good("verify", "--only", "server,tunnel,path").failed_checks() == []
    assert cluster.good("build").changed == 0


def test_servers_are_given_back(cluster: ClusterUnderTest, lab: Lab, untouched: Snapshot) -> None:
    cluster.good("teardown")
    assert compare(untouched, observe(lab)) == []
