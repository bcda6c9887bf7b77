"""`make trial-sight`: what a new user does by the docs, from the first plan to the last report.

A fault is planted at each hop in turn: the trace must name it, and what its fix says must mend it.
The figures go into the summary; the machine is too noisy for limits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.browser import BROWSER, show
from tests.lab.captures import nothing_left, ping, rows, started
from tests.lab.clusters import ClusterUnderTest, Run
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

VNI = 8801
PROGRAMS = (*WITH_GUESTS, "tshark", "tcpdump")
Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsg", PROGRAMS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Return a cluster that the first of the tests here builds."""
    folder = tmp_path_factory.mktemp("sight")
    made = ClusterUnderTest("fsg", VNI, "10.94.0", "10.94.1", lab, folder)
    made.write_site()
    yield made
    made.run("teardown")


def timed(cluster: ClusterUnderTest, figure: Figure, workflow: str, *options: str) -> Run:
    """Run a command that must end well, and note how long it took."""
    began = time.monotonic()
    run = cluster.good(workflow, *options)
    took = time.monotonic() - began
    figure("figure", f"{' '.join((workflow, *options))}: {took:.1f} s")
    return run


def plan(run: Run, *servers: str) -> list[tuple[str, ...]]:
    """Return the lines of a plan that are of servers."""
    lines = (tuple(line.values()) for line in run.document["plan"])
    return [line for line in lines if line[0] in servers]


def test_a_cluster_is_planned_built_looked_at_and_worked_with(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    planned = timed(cluster, record_property, "build", "--dry-run")
    built = timed(cluster, record_property, "build")
    servers = ("server1", "server2")
    assert plan(planned, *servers) == plan(built, *servers) != []
    assert timed(cluster, record_property, "build", "--dry-run", "--detailed-exitcode").changed == 0
    status = timed(cluster, record_property, "status").document
    assert [(one["state"], one["port"]) for one in status["guests"]] == [("running", "up")] * 3
    assert [one["drift"] for one in status["servers"]] == [[], []]
    names = timed(cluster, record_property, "exec", "hostname").document["nodes"]
    assert [one["stdout"].strip() for one in names] == ["node1", "node2", "node3"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as somebody makes it, and the hop at which frames get lost then."""

    host: str
    line: str
    hop: str


RULE = """nft -f - <<'END'
table inet trial_sight {
  chain incoming {
    type filter hook input priority 0
    udp dport 4789 counter drop
  }
}
END"""
FAULTS = {
    "guest": Fault("node1", "ip link set data0 down", "NIC 'data0' of 'node1'"),
    "far-guest": Fault("node3", "ip link set data0 down", "NIC 'data0' of 'node3'"),
    "tap": Fault("server1", f"ip link set fsd{VNI} down", f"tap 'fsd{VNI}'"),
    "bridge": Fault("server1", f"ip link set fsb{VNI} down", f"bridge 'fsb{VNI}'"),
    "tunnel": Fault("server1", f"ip link set fsv{VNI} down", f"tunnel 'fsv{VNI}'"),
    "underlay": Fault("server2", RULE, f"port 'fsv{VNI}' of 'server2'"),
    "port": Fault("server2", f"ip link set fsv{VNI} down", f"port 'fsv{VNI}' of 'server2'"),
    "switch": Fault("server2", f"ip link set fss{VNI} down", f"switch 'fss{VNI}'"),
}


@pytest.mark.parametrize("hop", FAULTS)
def test_a_fault_is_named_at_its_hop_and_mended_by_what_its_fix_says(
    cluster: ClusterUnderTest, record_property: Figure, hop: str
) -> None:
    fault = FAULTS[hop]
    if fault.host.startswith("node"):
        cluster.guest(int(fault.host[-1])).root(fault.line)
    else:
        cluster.on(fault.host, ["sh", "-ec", fault.line])
    began = time.monotonic()
    run = cluster.run("trace", "node1", "node3")
    named = time.monotonic() - began
    (check,) = run.document["checks"]
    assert (run.status, check["ok"], check["host"]) == (1, False, fault.host), check
    assert fault.hop in check["measured"].partition(";")[0]
    cluster.follow(check["fix"])
    mended = time.monotonic() - began - named
    counts = [one["count"] for one in cluster.good("trace", "node1", "node3").document["hops"]]
    assert counts == [20] * 15
    record_property("figure", f"fault at {hop}: named in {named:.1f} s, mended in {mended:.1f} s")


def test_a_capture_has_each_ping_at_every_interface(
    cluster: ClusterUnderTest, record_property: Figure, tmp_path: Path
) -> None:
    file = tmp_path / "a.pcapng"
    with started(
        cluster, "--filter", "icmp", "--packets", "100", "--write", str(file), "--json"
    ) as run:
        ping(cluster, 5)
        said, _ = run.communicate(timeout=60)
    found = json.loads(said)["capture"]
    assert (run.returncode, found["frames"]) == (0, 100)
    packets = rows(file, "frame.interface_name", "icmp.seq", "icmp.type")
    each = {(seq, kind): 0 for _, seq, kind in packets}
    assert {key: sum(one[1:] == [*key] for one in packets) for key in each} == dict.fromkeys(
        each, 10
    )
    assert len(each) == 10
    nothing_left(cluster)
    (clock,) = found["clocks"]
    record_property(
        "figure",
        f"capture: {len(packets)} of {len(packets)} sightings; clocks apart "
        f"{clock['offset_ns'] / 1000:.1f} ± {clock['bound_ns'] / 1000:.1f} µs",
    )


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("workflow", "width"), [("build", 1280), ("verify", 400)])
def test_a_run_is_a_page_that_a_browser_shows_without_a_fault(
    cluster: ClusterUnderTest, record_property: Figure, tmp_path: Path, workflow: str, width: int
) -> None:
    if workflow == "verify":
        assert timed(cluster, record_property, "verify").failed_checks() == []
    page = tmp_path / "report.html"
    cluster.follow(f".venv/bin/farswitch report {workflow} --output {page}")
    shown = show(page.read_text(encoding="utf-8"), tmp_path, width=width)
    assert (shown.errors, shown.violations, shown.wide <= 0) == ([], [], True)
    assert "node3" in shown.text
    record_property("figure", f"report of {workflow}: {page.stat().st_size / 1000:.0f} kB")


def test_guests_are_stopped_and_started_and_all_passes_again(
    cluster: ClusterUnderTest, record_property: Figure
) -> None:
    before = cluster.boots()
    timed(cluster, record_property, "stop")
    states = [one["state"] for one in cluster.good("status").document["guests"]]
    assert states == ["shut off"] * 3
    timed(cluster, record_property, "start")
    assert all(new != old for new, old in zip(cluster.boots(), before, strict=True))
    assert cluster.good("build").changed == 0
    hops = timed(cluster, record_property, "trace", "node1", "node3").document["hops"]
    assert [one["count"] for one in hops] == [20] * 15


def test_servers_are_given_back(cluster: ClusterUnderTest, record_property: Figure) -> None:
    assert timed(cluster, record_property, "teardown").changed > 0
    for server in ("server1", "server2"):
        printed = cluster.on(server, ["ip", "-o", "link", "show"])
        assert not [line for line in printed.splitlines() if f"{VNI}" in line]
