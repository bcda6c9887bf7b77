"""What the benchmark of builds concludes from its samples, and what it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.guests import command
from bench.pairs import Bare, Build, Pair, middle, ratio, render
from bench.processor import domains
from bench.site import LAB, write_site
from farswitch.guests.base_image import BaseImage
from farswitch.guests.domain import Hardware, Mark
from farswitch.guests.domain import render as render_domain
from farswitch.image.build import BuiltImage


def pair(bare: float, build: float, **stages: float) -> Pair:
    rows = [{"name": name, "hosts": 3, "seconds": took} for name, took in stages.items()]
    return Pair(Bare(bare, 3), Build(build, {"seconds": build - 1, "stages": rows}))


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        pytest.param([pair(10, 15)], 1.5, id="one"),
        pytest.param([pair(10, 15), pair(20, 60), pair(10, 20)], 2.0, id="of-pairs-not-of-times"),
        pytest.param([pair(10, 10), pair(10, 20)], 1.5, id="even-number"),
    ],
)
def test_the_ratio_is_the_median_of_the_pairs(pairs: list[Pair], wanted: float):
    assert ratio(pairs) == wanted


@pytest.mark.parametrize(
    ("builds", "wanted"),
    [([5], 5), ([9, 1, 5], 5), ([1, 9], 9)],
)
def test_the_stages_are_the_median_builds(builds: list[float], wanted: float):
    assert middle([pair(1, build) for build in builds]).build.seconds == wanted


def test_the_result_has_times_ratios_and_stages():
    text = "\n".join(render([pair(10, 15, vm_boot=9.5), pair(8, 20, vm_boot=17), pair(9, 9)]))
    lines = {line.split("  ")[0].strip(): line.split() for line in text.splitlines()}
    assert lines["bare guests, to the ssh login"][-6:] == ["9.0", "s", "8.0", "s", "10.0", "s"]
    assert lines["build, whole process"][-6:] == ["15.0", "s", "9.0", "s", "20.0", "s"]
    assert lines["build / bare"][-4:] == ["1.50", "(1.50", "2.50", "1.00)"]
    assert "vm_boot" in text
    assert "9.5 s" in text
    assert "17.0 s" not in text


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
