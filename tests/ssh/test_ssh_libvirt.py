"""libvirt behind ssh: a libvirtd of the test's own, in a mount namespace with its own folders."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connections.libvirt import Hypervisor, Libvirt, LibvirtError
from connections.wait import Deadline, wait_until
from inventory.model import Server

pytestmark = [pytest.mark.ssh, pytest.mark.root]
PRIVATE = ("/run", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt", "/etc/libvirt")
"""All that libvirtd writes to; the test says so if it touched the machine's own."""
POOL = "/var/lib/libvirt/images/farswitch"


def settings_of_the_machine() -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in Path("/etc/libvirt").rglob("*")}


@pytest.fixture
def far(make_sshd) -> Iterator[Server]:
    """A server whose sshd and libvirtd share folders that nobody else sees."""
    libvirtd = shutil.which("libvirtd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if libvirtd is None:
        pytest.skip("no libvirtd is installed")
    before = settings_of_the_machine()
    there = [folder for folder in PRIVATE if Path(folder).is_dir()]
    mounts = "; ".join(f"mount -t tmpfs tmpfs {folder}" for folder in there)
    sshd = make_sshd("far", within=f"{mounts}; mkdir -p /run/sshd /run/lock /run/dbus {POOL}")
    log = (sshd.folder / "libvirtd.log").open("ab")
    inside = ["nsenter", f"--mount=/proc/{sshd.process.pid}/ns/mnt", "--", "unshare", "--net", "--"]
    process = subprocess.Popen([*inside, libvirtd], stdout=log, stderr=log)
    log.close()
    try:
        socket = Path(f"/proc/{sshd.process.pid}/root/run/libvirt/libvirt-sock")
        wait_until(socket.exists, Deadline(20), what="The test's libvirtd")
        yield Server(
            name="server1",
            role="hypervisor",
            hostname="127.0.0.1",
            underlay="198.51.100.1",
            port=sshd.port,
            key_file=sshd.folder / "key",
            known_hosts=sshd.folder / "known",
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert settings_of_the_machine() == before


@pytest.fixture
def hypervisor(far: Server) -> Iterator[Hypervisor]:
    plugin = Libvirt()
    plugin.open(extras={"server": far})
    yield plugin.connection
    plugin.close()


def test_a_pool_is_made_filled_and_removed(hypervisor):
    assert hypervisor.ensure_pool("farswitch", POOL)
    assert not hypervisor.ensure_pool("farswitch", POOL)
    data, steps = os.urandom(3 << 20), []
    hypervisor.upload("farswitch", "image", data, len(data), mode=0o600, progress=steps.append)
    assert steps[-1] == len(data)
    assert steps == sorted(steps)
    (image,) = hypervisor.volumes("farswitch")
    assert (image.name, image.capacity, image.complete) == ("image", len(data), True)
    hypervisor.create_overlay("farswitch", "disk", image.path, 1 << 30, backing_format="raw")
    assert [volume.name for volume in hypervisor.volumes("farswitch")] == ["disk", "image"]
    assert hypervisor.volume("farswitch", "disk").capacity == 1 << 30
    with pytest.raises(LibvirtError):
        hypervisor.remove_pool("farswitch")
    for name in ("disk", "image"):
        assert hypervisor.delete_volume("farswitch", name)
    assert hypervisor.remove_pool("farswitch")


def test_an_upload_that_breaks_off_leaves_no_volume(hypervisor):
    hypervisor.ensure_pool("farswitch", POOL)
    with pytest.raises(LibvirtError, match="ended after 1000 of 5000 bytes"):
        hypervisor.upload("farswitch", "image", b"x" * 1000, 5000)
    assert hypervisor.volumes("farswitch") == ()
    assert hypervisor.remove_pool("farswitch")


def test_an_upload_replaces_what_was_there(hypervisor):
    hypervisor.ensure_pool("farswitch", POOL)
    for data in (b"old" * 1000, b"new" * 100):
        hypervisor.upload("farswitch", "seed", data, len(data), mode=0o600)
    (seed,) = hypervisor.volumes("farswitch")
    assert seed.capacity == 300


def test_a_host_key_that_is_not_known_is_refused(far, tmp_path):
    unknown = replace(far, known_hosts=tmp_path / "none")
    with pytest.raises(LibvirtError, match="Host key verification failed"):
        Libvirt().open(extras={"server": unknown})
