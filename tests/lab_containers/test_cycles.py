"""Ten cycles of build and teardown leave nothing more than one did, on servers and controller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connections.wait import Deadline, DeadlineError, wait_until
from lab import container
from lab.addresses import Lab
from tests.lab.clusters import ROOT, ClusterUnderTest
from tests.lab.monitors import listening

pytestmark = pytest.mark.root

MEASURE = r"""
import collections, os, pathlib
libvirt = ("/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
for top in ("/etc", "/run", "/root", "/home", "/dev/shm", "/var/lib/farswitch", *libvirt):
    count = size = 0
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            count, size = count + 1, size + os.lstat(os.path.join(folder, name)).st_size
    print(top, count, "files of", size, "bytes")
for line in open("/proc/self/mounts"):
    print("mount", line.strip())
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if process.name == str(os.getpid()):
        continue
    words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    print("process", words, len(os.listdir(process / "fd")), "descriptors")
"""


def measure(lab: Lab) -> dict[str, list[str]]:
    return {
        name: sorted(container.execute(pid, ["python3", "-"], stdin=MEASURE).splitlines())
        for name, pid in container.find(lab).items()
    }


def cycle(site: Path, folder: Path, count: int) -> dict[str, Any]:
    program = Path(__file__).with_name("cycles.py")
    done = subprocess.run(
        [sys.executable, str(program), str(site), str(folder / "log"), str(count)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    held: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return held


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> ClusterUnderTest:
    cluster = ClusterUnderTest("fscy", 5101, "10.96.0", "10.97.0", lab, tmp_path, size=2)
    cluster.write_site()
    return cluster


def test_the_first_build_is_heard_and_the_second_is_silent(
    lab: Lab, tmp_path: Path, cluster: ClusterUnderTest
) -> None:
    with listening(lab) as heard:
        assert cycle(cluster.site, tmp_path, 0)["changed"] > 0
    for listener in ("server1 ip", "server2 ip", "server2 fdb", "server1 nft", "server2 nft"):
        assert any(line.startswith(f"{listener}: ") for line in heard), listener
    with listening(lab) as heard:
        assert cycle(cluster.site, tmp_path, 0)["changed"] == 0
    assert heard == []
    cluster.good("teardown")


def test_ten_cycles_leave_no_descriptor_process_mount_or_byte(
    lab: Lab, tmp_path: Path, cluster: ClusterUnderTest
) -> None:
    cycle(cluster.site, tmp_path, 1)  # libvirtd opens some of its own files at their first use
    before = measure(lab)
    held = cycle(cluster.site, tmp_path, 10)
    try:
        wait_until(lambda: measure(lab) == before, Deadline(10), what="The end of the logins")
    except DeadlineError:
        assert measure(lab) == before
    assert held["last"] == held["first"]
