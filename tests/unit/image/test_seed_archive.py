"""The archive for our own image: everything in it, with owner and mode."""

import io
import tarfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from farswitch.image.seed import Nic, Seed, User
from farswitch.image.seed_archive import archive
from farswitch.model.guest_file import File

SEED = Seed(
    instance_id="lab-node1-1",
    hostname="node1",
    nics=(
        Nic("data0", "02:FA:00:00:00:29", IPv4Interface("10.0.0.11/24"), 1450),
        Nic("mgmt0", "02:fa:01:00:00:29", IPv4Interface("10.10.0.11/24")),
    ),
    host_key=b"private host key\n",
    host_key_public="ssh-ed25519 HOST",
    root_keys=("ssh-ed25519 ROOT controller\n",),
    user=User("mpi", 2000, ("ssh-ed25519 ONE", "ssh-ed25519 TWO")),
    files=(
        File("/etc/hosts", b"127.0.0.1 localhost\n"),
        File("/home/mpi/.ssh/id_ed25519", b"private\n", 0o600, "mpi:mpi"),
        File("/home/mpi/bin/run", b"#!/bin/sh\n", 0o755, "mpi:mpi"),
    ),
    units=("nfs-server.service",),
    mounts=("10.0.0.11:/shared /shared nfs4 vers=4.2 0 0",),
)


def members(seed: Seed = SEED) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive(seed))) as tar:
        found = {}
        for entry in tar:
            file = tar.extractfile(entry) if entry.isfile() else None
            found[entry.name] = (entry, file.read() if file else b"")
        return found


def text(name: str, seed: Seed = SEED) -> str:
    return members(seed)[name][1].decode()


def test_equal_seeds_give_equal_bytes() -> None:
    assert archive(SEED) == archive(replace(SEED))


def test_nics_are_told_by_mac_in_lower_case() -> None:
    assert text("etc/farswitch/guest").splitlines() == [
        "user mpi 2000",
        "nic data0 02:fa:00:00:00:29 10.0.0.11/24 1450 -",
        "nic mgmt0 02:fa:01:00:00:29 10.10.0.11/24 - -",
    ]


def test_gateway_is_told_when_there_is_one() -> None:
    nics = (SEED.nics[0], replace(SEED.nics[1], gateway=IPv4Address("10.10.0.1")))
    assert text("etc/farswitch/guest", replace(SEED, nics=nics)).endswith(" - 10.10.0.1\n")


def test_files_keep_owner_and_mode() -> None:
    have = {
        name: (entry.uid, entry.gid, f"{entry.mode:o}")
        for name, (entry, _) in members().items()
        if not entry.issym()
    }
    assert have == {
        "var/lib/farswitch/instance.new": (0, 0, "644"),
        "etc/farswitch/guest": (0, 0, "644"),
        "etc/hostname": (0, 0, "644"),
        "etc/fstab": (0, 0, "644"),
        "etc/ssh/ssh_host_ed25519_key": (0, 0, "600"),
        "etc/ssh/ssh_host_ed25519_key.pub": (0, 0, "644"),
        "root/.ssh": (0, 0, "700"),
        "root/.ssh/authorized_keys": (0, 0, "600"),
        "home/mpi": (2000, 2000, "755"),
        "home/mpi/.ssh": (2000, 2000, "700"),
        "home/mpi/.ssh/authorized_keys": (2000, 2000, "600"),
        "etc/ssh/sshd_config.d/05-farswitch.conf": (0, 0, "644"),
        "etc/hosts": (0, 0, "644"),
        "home/mpi/.ssh/id_ed25519": (2000, 2000, "600"),
        "home/mpi/bin": (2000, 2000, "755"),
        "home/mpi/bin/run": (2000, 2000, "755"),
    }


def test_keys_are_one_a_line() -> None:
    assert text("root/.ssh/authorized_keys") == "ssh-ed25519 ROOT controller\n"
    assert text("home/mpi/.ssh/authorized_keys") == "ssh-ed25519 ONE\nssh-ed25519 TWO\n"


def test_units_are_enabled_by_a_link() -> None:
    entry, _ = members()["etc/systemd/system/multi-user.target.wants/nfs-server.service"]
    assert entry.linkname == "/lib/systemd/system/nfs-server.service"


def test_mounts_are_lines_of_fstab() -> None:
    assert text("etc/fstab").splitlines()[1:] == list(SEED.mounts)
    assert text("etc/fstab", replace(SEED, mounts=())).startswith("#")


def test_private_keys_stay_out_of_what_is_printed() -> None:
    assert "private" not in repr(SEED)
