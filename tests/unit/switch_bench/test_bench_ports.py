"""The bench's own ports: names and VNIs that are nobody's, and what a job beside it looks like."""

import contextlib
import shutil
import subprocess
from ipaddress import ip_address

import pytest

from farswitch.connections.netlink.links import Link, Traffic
from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ConfigError
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.model.switch import parse_switch
from farswitch.switch_bench.busy import busy_ports, mpi_processes, packets
from farswitch.switch_bench.compile import check_machine, find_compiler
from farswitch.switch_bench.frame_generator import TrialCounts
from farswitch.switch_bench.ports import (
    PORTS,
    bench_cluster,
    bench_guard,
    bench_name,
    bench_tunnels,
    vni_base,
)

SETTINGS = Settings(cluster="lab")
HOME = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
OTHER = Server("server3", "hypervisor", "server3", ip_address("198.51.100.13"))
SWITCH = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
CLUSTER = Cluster(SETTINGS, (HOME, OTHER), SWITCH, (Guest("node1", 1, "server3", SETTINGS),))


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        ("lab", "lab-bench"),
        ("a" * 14, f"{'a' * 14}-bench"),
        ("abcdefghijklmnopqrst", "abcdefg-73a2f8-bench"),
    ],
)
def test_its_name_is_the_clusters_and_fits(cluster, name):
    assert bench_name(cluster)[:7] == name[:7]
    assert bench_name(cluster).endswith("-bench")
    Settings(cluster=bench_name(cluster))


def test_long_names_that_begin_alike_have_benches_apart():
    assert bench_name("abcdefghijklmnopqrs1") != bench_name("abcdefghijklmnopqrs2")


def test_its_vnis_are_the_same_each_time_and_nobody_elses():
    own = vni_base("lab-bench", ())
    assert own == vni_base("lab-bench", {41, 42, 43})
    for taken in range(own, own + PORTS):
        assert not set(range(own, own + PORTS)) & {vni_base("lab-bench", {taken})}


def test_all_its_ports_are_on_one_hypervisor_in_no_bridge_and_mute():
    bench = bench_cluster(CLUSTER, ())
    assert {guest.hypervisor for guest in bench.guests} == {"server1"}
    tunnels = bench_tunnels(bench, HOME, device="u0", mtu=1450)
    assert [(tunnel.master, tunnel.arp) for tunnel in tunnels] == [(None, False)] * PORTS
    names = {tunnel.name for tunnel in tunnels}
    assert names == {tunnel.name for tunnel in bench_tunnels(bench, SWITCH, device="u0", mtu=1450)}
    assert all(len(name) <= 15 for name in names)
    guard = bench_guard(bench, HOME, "u0")
    assert set(guard.ends) == names
    assert (guard.management, guard.bridges) == (None, ())


def test_it_keeps_its_marks_with_each_switch():
    bench = bench_cluster(CLUSTER, ())
    other = bench.with_switch(parse_switch({"openvswitch": {"datapath": "netdev"}}))
    assert other.owner == bench.owner
    assert other.owner.mark == "farswitch:lab-bench"


def link(name: str, received: int, sent: int) -> Link:
    traffic = Traffic(received_packets=received, sent_packets=sent)
    return Link(
        index=1, name=name, kind="vxlan", mtu=1450, group=0, alias="", altnames=(), master=None,
        peer=None, vxlan=None, link_local=False, traffic=traffic,
    )  # fmt: skip


def test_a_port_with_traffic_is_seen_and_one_that_idles_is_not():
    before = packets(CLUSTER, [link("fsv41", 1000, 1000), link("eth0", 5, 5)])
    assert before == {"node1": 2000}
    assert busy_ports(before, {"node1": 2050}, 1.0) == {}
    assert busy_ports(before, {"node1": 2500}, 2.0) == {"node1": 250.0}
    assert busy_ports({}, {"node1": 9000}, 1.0) == {}


def test_the_processes_of_an_mpi_job_are_found_by_their_names(tmp_path):
    for name in ("hydra_pmi_proxy", "mpiexec.mpich", "mpiexe"):
        shutil.copy(shutil.which("sleep"), tmp_path / name)
    with contextlib.ExitStack() as stack:
        pids = {}
        for path in tmp_path.iterdir():
            process = stack.enter_context(subprocess.Popen([path, "60"]))
            stack.callback(process.kill)
            pids[path.name] = process.pid
        found = mpi_processes(LocalShell("node1"))
    ours = {f"{name} {pid}" for name, pid in pids.items()}
    assert ours - set(found) == {f"mpiexe {pids['mpiexe']}"}


def test_without_a_compiler_or_for_another_processor_it_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="no C compiler 'cc'"):
        find_compiler()
    with pytest.raises(ConfigError, match="'server1' is 'pdp11'"):
        check_machine("server1", "pdp11")


def counts(**more) -> TrialCounts:
    return TrialCounts(
        **{
            "sent": 1000, "refused": 0, "seconds": 0.5, "received": (0, 1000), "delivered": 1000,
            "strayed": 0, "doubled": 0, "reordered": 0, "late": 0, "overrun": 0,
            "latency_us": (1, 2, 3, 4), "silence_ms": 1.0,
        }
        | more
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "copies", "lost", "held_back"),
    [
        ({}, 1, 0, 0.0),
        ({"delivered": 990}, 1, 10, 0.01),
        ({"delivered": 990, "overrun": 10}, 1, 0, 0.0),
        ({"late": 200}, 1, 0, 0.2),
        ({"delivered": 2700}, 3, 300, 0.1),
        ({"sent": 0, "delivered": 0}, 1, 0, 1.0),
    ],
)
def test_what_counts_as_lost_and_as_held_back(more, copies, lost, held_back):
    found = counts(**more)
    assert found.lost(copies) == lost
    assert found.held_back(copies) == pytest.approx(held_back)
    assert found.rate == found.sent / 0.5
