"""A cluster that was built: what the build says, what a second one does, and what verify finds."""

import json

import pytest

from tasks.checks import probes
from tests.lab.clusters import ClusterUnderTest
from tests.lab.guests import mpiexec, names
from tests.lab.monitors import listening

pytestmark = [pytest.mark.lab, pytest.mark.root]

STAGES = [
    "preflight", "image_source", "underlay_udp", "record", "vm_remove", "sysctl", "guard",
    "firewall_reset", "bridge", "veth", "vxlan", "bridge_ports", "fdb", "mtu_servers", "switch",
    "impair", "image", "vm_boot", "observe_guest", "mtu", "firewall_guests", "hosts_file",
    "ssh_keys", "nfs", "mpi", "interfaces", "mpi_smoke",
]  # fmt: skip


def test_build_tells_in_one_document_what_it_did(built: ClusterUnderTest) -> None:
    document = built.runs[0].document
    assert document["ok"]
    assert document["failures"] == []
    assert (document["workflow"], document["cluster"]) == ("build", "fst")
    assert [stage["name"] for stage in document["stages"]] == STAGES
    changed = {stage["name"]: stage["changed"] for stage in document["stages"]}
    assert changed["vm_boot"] == 3
    assert document["changed"] == sum(changed.values())
    # What was known before the boot came with the seed: the tasks found it there.
    assert [changed[name] for name in ("mtu", "hosts_file", "nfs", "mpi")] == [0] * 4
    assert "node1, node2, node3" in built.runs[0].said


def test_the_run_of_the_build_has_what_it_stood_on(built: ClusterUnderTest) -> None:
    first = min((built.state / "farswitch/runs").glob("*-build-fst.json"))
    kept = json.loads(first.read_text())
    assert kept["mtu"] == 1450
    kinds = {"server1": ["underlay", *["tunnel"] * 3, *["tap"] * 3],
             "server2": ["underlay", *["port"] * 3]}  # fmt: skip
    for server in kept["servers"]:
        name, versions = server["name"], server["versions"]
        assert versions["kernel"] == built.on(name, ["uname", "-r"]).strip()
        for program in ("nft", "iptables"):
            assert versions[program] in built.on(name, [program, "--version"])
        links = {one["ifname"]: one for one in json.loads(built.on(name, ["ip", "-j", "link"]))}
        assert sorted(one["what"] for one in server["interfaces"]) == sorted(kinds[name])
        for one in server["interfaces"]:
            assert one["mtu"] == links[one["name"]]["mtu"]
            assert "gso" in one["offloads"]
    said = built.on("server1", ["virsh", "version"])
    versions = kept["servers"][0]["versions"]
    assert f"libvirt {versions['libvirt']}" in said
    assert f"QEMU {versions['QEMU']}" in said


def test_bridges_know_of_no_sender_but_the_guests(built: ClusterUnderTest) -> None:
    """Runs early: what a bridge said when it was made is forgotten after 300 s."""
    node1, *others = built.guests()
    assert all(node1.pings(other.address) for other in others)
    macs = {guest.good("cat /sys/class/net/data0/address") for guest in built.guests()}
    for server in ("server1", "server2"):
        entries = json.loads(built.on(server, ["bridge", "-j", "fdb", "show"]))
        ours = [one for one in entries if one.get("master", "").startswith(("fsb", "fss"))]
        assert macs <= {one["mac"] for one in ours}
        assert [one for one in ours if one["state"] != "permanent" and one["mac"] not in macs] == []


def test_second_build_changes_nothing(built: ClusterUnderTest) -> None:
    boots = built.boots()
    with listening(built.lab) as heard:
        again = built.good("build")
    assert heard == [], "links, addresses, rules, domains and pools of both servers"
    assert again.changed == 0
    assert again.document["failures"] == []
    assert [stage["name"] for stage in again.document["stages"]] == STAGES[:-2], "no MPI run"
    assert built.boots() == boots


def test_dry_run_of_what_stands_tells_of_no_change(built: ClusterUnderTest) -> None:
    told = built.good("build", "--dry-run")
    assert told.document["dry_run"]
    assert told.changed == 0


def test_dry_run_tells_of_a_new_guest_and_makes_none(built: ClusterUnderTest) -> None:
    domains = built.on("server1", ["virsh", "list", "--all", "--name"])
    told = built.good("build", "--dry-run", "--nodes", "4")
    assert told.changed > 0
    assert "+ domain fst-node4 (create)" in told.said
    assert built.on("server1", ["virsh", "list", "--all", "--name"]) == domains
    assert built.good("build", "--dry-run").changed == 0


def test_verify_finds_every_kind_of_check_right(built: ClusterUnderTest) -> None:
    verified = built.good("verify")
    assert verified.failed_checks() == []
    made = {check["name"] for check in verified.document["checks"] if check["ok"]}
    assert made == {name for probe in probes() if not probe.asked for name in probe.checks}
    pairs = [check for check in verified.document["checks"] if check["name"] == "mtu.exact"]
    assert len(pairs) == 6


def test_launcher_and_program_run_on_the_nodes_that_are_asked_for(built: ClusterUnderTest) -> None:
    node1, node2, node3 = built.guests()
    launched = node1.good(mpiexec([node1, node2], "hostname", ranks=4)).split()
    assert sorted(launched) == ["node1", "node1", "node2", "node2"]
    assert names([node3, node2, node1]) == ["node1", "node2", "node3"]


@pytest.mark.trial
def test_five_jobs_in_a_row_come_to_their_end(built: ClusterUnderTest) -> None:
    """Each second job of MPICH 4.0 hung at its end without the image's own library."""
    guests = built.guests()
    job = mpiexec(guests, "python3 /usr/local/lib/farswitch/ring.py 1 100000")
    loop = f"for i in 1 2 3 4 5; do timeout 60 {job} || exit 1; done"
    rings = [json.loads(line) for line in guests[0].good(loop, seconds=500).splitlines()]
    assert [one["intact"] for one in rings] == [True] * 5
