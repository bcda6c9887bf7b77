"""One guest of three that does not boot: it is named, the others work, a build mends it."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.clusters import ClusterUnderTest, Run
from tests.lab.guests import names

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

HEADER = bytes(1 << 16)
"""Zeros over the first cluster of a qcow2 disk: QEMU does not take it as one any more."""

HANGING = """
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    if (write(open("/dev/console", O_WRONLY), "Here it hangs.\\n", 15) != 15) return 1;
    for (;;) pause();
}
"""


@contextmanager
def spoiled(disk: Path, content: bytes) -> Iterator[None]:
    """Overwrite a disk between its making and its guest's start.

    The seed is uploaded between the two, and an empty volume says that the upload goes on.
    """
    uploading = disk.with_name("fst.node3.seed.iso.part")
    stop, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if uploading.exists():
                with disk.open("r+b") as file:
                    file.write(content)
                done.set()
                return
            time.sleep(0.001)  # the watch itself: the folder is not ours to be told by

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert done.is_set()


def hanging_disk(folder: Path) -> bytes:
    """Return a disk whose first process does nothing: the guest boots, and never gets further."""
    root, raw, disk = folder / "root", folder / "disk.raw", folder / "disk.qcow2"
    for name in (
        "dev",
        "proc",
        "sys",
        "home",
        "sbin",
        "etc/skel",
        "etc/farswitch",
        "var/lib/farswitch",
    ):
        (root / name).mkdir(parents=True)
    for name in ("passwd", "shadow", "group", "gshadow"):
        (root / "etc" / name).touch()
    compiler = ["gcc", "-static", "-O", "-x", "c", "-", "-o", root / "sbin/init"]
    subprocess.run(compiler, input=HANGING, text=True, check=True)
    subprocess.run(["mkfs.ext4", "-q", "-L", "farswitch", "-d", root, raw, "32M"], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, disk], check=True)
    return disk.read_bytes()


def assert_names_node3_alone(cluster: ClusterUnderTest, run: Run) -> None:
    assert run.status == 1, run.said
    assert {failure["host"] for failure in run.document["failures"]} == {"node3"}
    assert "'node3'" in run.errors
    assert names(cluster.guests(2)) == ["node1", "node2"]


def test_first_boot_that_hangs_and_one_from_a_broken_disk(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    cluster.good("build", "--nodes", "2")
    boots = cluster.boots(2)
    cluster.write_site("boot_timeout: 20")
    with spoiled(cluster.pool() / "fst.node3.1.qcow2", hanging_disk(tmp_path)):
        broken = cluster.run("build", "--nodes", "3")
    assert_names_node3_alone(cluster, broken)
    assert "did not happen within 20 s" in broken.errors
    assert "Here it hangs." in broken.errors, "its console's last lines"
    cluster.write_site()
    assert "seed" not in cluster.on("server1", ["virsh", "vol-list", "farswitch"])
    with spoiled(cluster.pool() / "fst.node3.2.qcow2", HEADER):
        refused = cluster.run("build")
    assert_names_node3_alone(cluster, refused)
    assert cluster.good("build").changed > 0
    assert names(cluster.guests()) == ["node1", "node2", "node3"]
    assert cluster.boots(2) == boots


def test_guest_that_panics_is_restarted_with_its_disk_by_one_build(
    cluster: ClusterUnderTest,
) -> None:
    node3, boots = cluster.guest(3), cluster.boots(2)
    node3.root("echo kept >/root/kept; sync")
    node3.root("(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")  # once we are gone
    mended = cluster.good("build")
    assert "Kernel panic" in mended.said, "its console's last lines"
    assert node3.root("cat /root/kept") == "kept"
    assert names(cluster.guests()) == ["node1", "node2", "node3"]
    assert cluster.boots(2) == boots


def test_disk_that_broke_later_is_kept_and_the_guest_gets_a_new_one(
    cluster: ClusterUnderTest,
) -> None:
    cluster.on("server1", ["virsh", "destroy", "fst-node3"])
    (disk,) = cluster.pool().glob("fst.node3.*.qcow2")
    with disk.open("r+b") as file:
        file.write(HEADER)
    broken = cluster.run("build")
    assert_names_node3_alone(cluster, broken)
    assert cluster.good("build").changed > 0
    assert names(cluster.guests()) == ["node1", "node2", "node3"]
    assert disk.exists()
