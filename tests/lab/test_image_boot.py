"""Real guests from both kinds of image, started by plain QEMU in a namespace of their own."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from bench import testbed
from bench.guests import RunningGuest
from bench.testbed import open_testbed
from farswitch.deadline import Deadline
from farswitch.image.build import BuiltImage, build
from farswitch.image.recipe import recipe
from farswitch.model.guest_file import File

pytestmark = [
    pytest.mark.trial,
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes an image and a network namespace"),
]
LIMIT = 400.0
EXPORTS = File("/etc/exports", b"/srv 10.0.0.0/24(rw,sync,no_subtree_check)\n")
SECRET = File("/home/mpi/.ssh/id_ed25519", b"private\n", 0o600, "mpi:mpi")
MOUNT = "10.0.0.11:/srv /shared nfs4 vers=4.2,proto=tcp,_netdev,nofail,x-systemd.automount 0 0"
SERVER = "nfs-server.service"
QUESTIONS = {
    "hostname": "hostname",
    "hosts": "cat /etc/hosts",
    "accounts": "id mpi; getent passwd mpi; stat -c '%n %a %U:%G' /home/mpi /home/mpi/.ssh/*",
    "passwords": "getent shadow root mpi | cut -d: -f1,2 | grep -v '[:][!]*[*!]$'",
    "host keys": "cd /etc/ssh; stat -c '%n %a %u:%g' ssh_host_*_key; cut -d' ' -f1,2 *_key.pub",
    "sshd": "sshd -T | grep -E '^(passwordauth|kbdinter|permitroot|usedns|maxs|hostkey )'",
    "mounts": "grep nfs4 /etc/fstab; systemctl is-active shared.automount",
    "exports": "exportfs -s | cut -d'(' -f1; cat /proc/fs/nfsd/versions",
    "units": f"systemctl is-enabled {SERVER}; systemctl is-active {SERVER}",
    "addresses": "ip -br -4 address show data0; ip -br -4 address show mgmt0",
    "mtu": "cat /sys/class/net/data0/mtu /sys/class/net/mgmt0/mtu",
    "macs": "cat /sys/class/net/data0/address /sys/class/net/mgmt0/address",
    "mpi": "su - mpi -c 'mpiexec.mpich -np 2 python3 -m mpi4py.bench helloworld </dev/null'",
}


@pytest.fixture
def bed() -> Iterator[testbed.Testbed]:
    with open_testbed() as bed:
        yield bed


def ready(bed: testbed.Testbed, image: BuiltImage) -> RunningGuest:
    guest = bed.start(image, bed.seed(1, (EXPORTS, SECRET), (SERVER,), (MOUNT,)))
    bed.wait_ready(guest, Deadline(LIMIT))
    return guest


def settle(bed: testbed.Testbed, guest: RunningGuest) -> str:
    """Wait until the boot is over, and tell how it ended."""
    bed.run(guest, "test ! -d /run/cloud-init || cloud-init status --wait")
    return bed.run(guest, "systemctl is-system-running --wait").stdout.strip()


def state(bed: testbed.Testbed, guest: RunningGuest) -> dict[str, str]:
    """Return the answers to all questions, asked by one login: each takes a second."""
    asked = (f"printf '\\036{name}\\037'; {command}" for name, command in QUESTIONS.items())
    answers = bed.run(guest, "\n".join(asked)).stdout.split("\x1e")[1:]
    told = dict(answer.split("\x1f") for answer in answers)
    assert told.keys() == QUESTIONS.keys()
    return told


def test_one_seed_brings_both_kinds_of_image_to_one_state(bed: testbed.Testbed) -> None:
    ours = ready(bed, build(recipe()))
    assert settle(bed, ours) == "running", bed.run(ours, "systemctl --failed").stdout
    assert bed.run(ours, "ls /run/cloud-init /var/lib/cloud/instance").stdout == ""
    have = state(bed, ours)
    ours.stop()
    foreign = bed.start(build(recipe(), stock=True), ours.seed)
    bed.wait_ready(foreign, Deadline(LIMIT))
    settle(bed, foreign)
    assert bed.run(foreign, "cloud-init status").stdout == "status: done\n"
    assert state(bed, foreign) == have
    assert have["passwords"] == ""
    assert have["hosts"].encode() == ours.seed.files[0].content
    assert have["mtu"] == "1450\n1500\n"
    assert "/home/mpi/.ssh/id_ed25519 600 mpi:mpi" in have["accounts"]
    assert "Hello, World! I am process 1 of 2 on node1." in have["mpi"]
    assert "+4.2" in have["exports"]
    assert "+3 " not in have["exports"]


def test_guest_comes_back_without_its_seed(bed: testbed.Testbed) -> None:
    image = build(recipe())
    guest = ready(bed, image)
    settle(bed, guest)
    before = state(bed, guest)
    machine = bed.run(guest, "cat /etc/machine-id").stdout
    bed.run(guest, "echo 10.0.0.99 later >>/etc/hosts; sync")
    guest.stop()
    disk = bed.folder / f"{guest.seed.instance_id}.qcow2"
    for attach in (False, True):
        again = bed.start(image, guest.seed, disk=disk, attach=attach)
        bed.wait_ready(again, Deadline(LIMIT))
        assert settle(bed, again) == "running"
        hosts = before["hosts"] + "10.0.0.99 later\n"
        assert state(bed, again) == before | {"hosts": hosts}
        assert bed.run(again, "cat /etc/machine-id").stdout == machine
        again.stop()


def test_share_is_mounted_at_the_first_look_and_guests_differ(bed: testbed.Testbed) -> None:
    image = build(recipe())
    head = bed.start(image, bed.seed(1, (EXPORTS,), (SERVER,)))
    worker = bed.start(image, bed.seed(2, (), (), (MOUNT,)))
    for guest in (head, worker):
        bed.wait_ready(guest, Deadline(LIMIT))
        assert settle(bed, guest) == "running"
    bed.run(head, "echo hello >/srv/file")
    assert bed.run(worker, "cat /shared/file").stdout == "hello\n"
    assert " nfs4 " in bed.run(worker, "grep vers=4.2 /proc/mounts").stdout
    for name in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        both = {bed.run(guest, f"cat {name}").stdout for guest in (head, worker)}
        assert len(both) == 2
        assert all(len(identity.strip()) >= 32 for identity in both)


def test_larger_disk_is_grown_into(bed: testbed.Testbed) -> None:
    seed = bed.seed(1)
    guest = bed.start(build(recipe()), seed, size=8 << 30)
    bed.wait_ready(guest, Deadline(LIMIT))
    assert settle(bed, guest) == "running"
    size = int(bed.run(guest, "df -B1 --output=size / | tail -1").stdout)
    assert size > 7 << 30
    assert bed.run(guest, "ls /etc/farswitch").stdout == "guest\nsectors\n"


def test_guest_without_root_disk_says_so_and_powers_off(bed: testbed.Testbed) -> None:
    empty = bed.folder / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", empty, "1G"], check=True)
    guest = bed.start(build(recipe()), bed.seed(1), disk=empty)
    assert guest.process.wait(timeout=LIMIT) == 0
    assert "farswitch: No disk is labelled farswitch." in guest.console_tail()


def test_only_the_key_opens_a_guest(bed: testbed.Testbed) -> None:
    guest = ready(bed, build(recipe()))
    addresses = json.loads(bed.run(guest, "ip -j -4 address").stdout)
    assert {link["ifname"] for link in addresses} == {"lo", "data0", "mgmt0"}
    answer = bed.run(guest, "true", user="nobody")
    assert (answer.returncode, "publickey" in answer.stderr) == (255, True)
    (bed.folder / "key").write_bytes(guest.seed.host_key)
    for user in ("root", "mpi"):
        assert bed.run(guest, "true", user=user).returncode == 255
