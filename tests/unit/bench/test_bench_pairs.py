"""What the benchmark of builds concludes from its samples, and what it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.build import AGAIN, GOAL, measures
from bench.dataplane import PLACES, Sample
from bench.dataplane import measures as dataplane_measures
from bench.guests import command
from bench.pairs import Build, longest, middle
from bench.processor import domains
from bench.site import LAB, write_site
from farswitch.guests.base_image import BaseImage
from farswitch.guests.domain import Hardware, Mark
from farswitch.guests.domain import render as render_domain
from farswitch.image.build import BuiltImage


def build(seconds: float, guests: float = 0.0, **stages: float) -> Build:
    rows = [{"name": name, "hosts": 3, "seconds": took} for name, took in stages.items()]
    return Build(seconds, {"seconds": seconds - 1, "stages": rows}, 2.0, guests)


@pytest.mark.parametrize(
    ("builds", "wanted"),
    [([5], 5), ([9, 1, 5], 5), ([1, 9], 9)],
)
def test_the_stages_are_the_median_builds(builds: list[float], wanted: float):
    assert middle([build(seconds) for seconds in builds]).seconds == wanted


def test_the_longest_stages_are_named_longest_first():
    stages = {f"stage{at}": float(at) for at in range(9)}
    text = longest([build(15, **stages)])
    assert text == (
        "stage8 8.0 s, stage7 7.0 s, stage6 6.0 s, stage5 5.0 s, stage4 4.0 s, stage3 3.0 s "
        "(overlapping); processor of our own processes 2.0 s."
    )
    assert "start and end of Python 1.0 s" in longest([build(15, ssh=0.5)])


def test_a_build_is_compared_with_bare_guests_and_a_second_with_plain_logins():
    took = {
        "bare": (Build(10, {}, guests=8), Build(20, {}, guests=8)),
        "build": (build(15, guests=16, vm_boot=9), build(60, guests=16)),
        "again": (build(3), build(4)),
        "logins": (Build(1, {}), Build(2, {})),
        "teardown": (build(5), build(5)),
    }
    whole, processor, again, teardown = measures(4, took)
    assert (whole.value, processor.value, again.value, teardown.value) == (2.25, 2.0, 2.5, 5)
    assert (whole.goal, again.goal) == (GOAL, AGAIN)
    assert "vm_boot" not in whole.found, "the slower of two is the median"


def test_the_shares_of_the_data_path_multiply_to_the_whole():
    figures = {"ours": 12.0, "no guard": 11.0, "no tracking": 11.5, "no tables": 10.5,
               "by hand": 10.0, "calls": 13.0, "underlay": 5.0}  # fmt: skip
    assert set(figures) == set(PLACES)
    took = {kind: [Sample(us, 100 / us)] * 3 for kind, us in figures.items()}
    trip, guard, tables, left, tracked, calls, way, flow, *_ = dataplane_measures(took)
    assert trip.value == pytest.approx(guard.value * tables.value * left.value)
    assert (trip.value, calls.value, way.value) == pytest.approx((1.2, 13 / 12, 2.0))
    assert tracked.value == pytest.approx(12 / 11.5)
    assert flow.value == pytest.approx(1.2), "throughput counts the other way round"
    assert trip.reached is flow.reached is False
    assert "the guard's share 1.091" in trip.found


def test_the_processes_of_domains_are_found_by_their_name(tmp_path: Path):
    for pid, argv in {
        "11": ["qemu-system-x86_64", "-name", "guest=bench-node1,debug-threads=on", "-S"],
        "12": ["qemu-system-x86_64", "-name", "guest=bench-node11,debug-threads=on"],
        "13": ["grep", "guest=bench-node1"],
        "14": ["echo", "-name"],
        "15": [],
    }.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(b"".join(f"{a}\0".encode() for a in argv))
    (tmp_path / "16" / "cmdline").mkdir(parents=True)
    assert list(domains(["bench-node1", "bench-node2"], tmp_path)) == [11]


def test_the_site_is_valid_and_stands_on_its_own_lab(tmp_path: Path):
    bench = write_site(tmp_path, 3)
    assert [guest.name for guest in bench.cluster.guests] == ["node1", "node2", "node3"]
    assert [server.hostname for server in bench.cluster.servers] == [
        str(LAB.address(member).ip) for member in LAB.members
    ]
    assert str(bench.cluster.head.management_address) == "10.97.0.11/24"


@pytest.mark.parametrize("kvm", [False, True], ids=["emulated", "kvm"])
def test_a_bare_guest_has_the_hardware_of_a_clusters(tmp_path: Path, kvm: bool):
    cluster = write_site(tmp_path, 3).cluster
    guest = cluster.head
    base = BaseImage("base-own-0", "/pool", "quiet")
    mark = Mark(cluster.name, guest.name, "new", base.name, 1)
    hardware = Hardware("kvm" if kvm else "qemu", 1450, "/pool", base)
    xml = render_domain(guest, mark, hardware, seed=True)
    built = BuiltImage(tmp_path / "disk", tmp_path / "kernel", tmp_path / "initrd", "quiet", "0", 1)
    argv = " ".join(command(built, tmp_path / "overlay", tmp_path / "console", kvm=kvm))
    emulated = {
        'type="qemu"': "-accel tcg",
        '<cpu mode="maximum"': "-cpu max",
        '<tb-cache unit="MiB">64<': "tb-size=64",
    }
    virtual = {'type="kvm"': "-accel kvm", '<cpu mode="host-passthrough"': "-cpu host"}
    for in_xml, in_argv in {
        **(virtual if kvm else emulated),
        'machine="q35"': "-machine q35",
        '<memory unit="MiB">512<': "-m 512",
        "<vcpu>1<": "-smp 1",
        "<cmdline>quiet<": "-append quiet",
    }.items():
        assert in_xml in xml
        assert in_argv in argv
