"""The same seed in cloud-init's words, on one NoCloud disk."""

import base64
import io
import json
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pycdlib
import pytest

from farswitch.image.seed import Nic, Seed, User
from farswitch.image.seed_archive import archive
from farswitch.image.seed_cloud_init import ADD_LINE, meta_data, network_config, render, user_data
from farswitch.model.guest_file import File

NICS = (
    Nic("data0", "02:FA:00:00:00:29", IPv4Interface("10.0.0.11/24"), 1450),
    Nic(
        "mgmt0", "02:fa:01:00:00:29", IPv4Interface("10.10.0.11/24"), None, IPv4Address("10.10.0.1")
    ),
)
SEED = Seed(
    instance_id="lab-node1-1",
    hostname="node1",
    nics=NICS,
    host_key=b"-----BEGIN\nprivate host key\n",
    host_key_public="ssh-ed25519 HOST\n",
    root_keys=("ssh-ed25519 ROOT",),
    user=User("mpi", 2000, ("ssh-ed25519 ONE",)),
    files=(
        File("/etc/hosts", b"\xff binary", 0o644),
        File("/home/mpi/.ssh/id", b"private\n", 0o600, "mpi:mpi"),
    ),
    units=("nfs-server.service",),
    mounts=("head:/shared /shared nfs4 vers=4.2 0 0",),
)


@pytest.fixture(scope="module")
def disk() -> pycdlib.PyCdlib:
    image = pycdlib.PyCdlib()
    image.open_fp(io.BytesIO(render(SEED)))
    return image


def read(disk: pycdlib.PyCdlib, name: str, kind: str) -> bytes:
    output = io.BytesIO()
    disk.get_file_from_iso_fp(output, **{kind: f"/{name}"})
    return output.getvalue()


def test_label_stands_where_the_initrd_looks() -> None:
    assert render(SEED)[32808:32814] == b"CIDATA"


@pytest.mark.parametrize("kind", ["rr_path", "joliet_path"])
def test_disk_holds_all_documents_and_the_archive(disk: pycdlib.PyCdlib, kind: str) -> None:
    assert read(disk, "farswitch.tar", kind) == archive(SEED)
    assert json.loads(read(disk, "meta-data", kind)) == meta_data(SEED)
    assert json.loads(read(disk, "network-config", kind)) == network_config(SEED)
    first, _, rest = read(disk, "user-data", kind).partition(b"\n")
    assert (first, json.loads(rest)) == (b"#cloud-config", user_data(SEED))


def test_cloud_init_does_all_before_the_network() -> None:
    assert meta_data(SEED) == {
        "instance-id": "lab-node1-1",
        "local-hostname": "node1",
        "dsmode": "local",
    }


def test_nics_are_matched_by_mac_and_named() -> None:
    assert network_config(SEED) == {
        "version": 2,
        "renderer": "networkd",
        "ethernets": {
            "data0": {
                "match": {"macaddress": "02:fa:00:00:00:29"},
                "set-name": "data0",
                "addresses": ["10.0.0.11/24"],
                "dhcp4": False,
                "dhcp6": False,
                "mtu": 1450,
            },
            "mgmt0": {
                "match": {"macaddress": "02:fa:01:00:00:29"},
                "set-name": "mgmt0",
                "addresses": ["10.10.0.11/24"],
                "dhcp4": False,
                "dhcp6": False,
                "routes": [{"to": "0.0.0.0/0", "via": "10.10.0.1"}],
            },
        },
    }


@pytest.mark.parametrize("mtu", [576, 1279])
def test_a_nic_too_small_for_ipv6_asks_for_none(mtu: int) -> None:
    """Else systemd-networkd takes 1280 bytes for the least (IPV6_MIN_MTU)."""
    small = replace(SEED, nics=[replace(nic, mtu=nic.mtu and mtu) for nic in SEED.nics])
    ethernets = network_config(small)["ethernets"]
    data, management = ethernets["data0"], ethernets["mgmt0"]
    assert (data["mtu"], data["link-local"], data["accept-ra"]) == (mtu, [], False)
    assert "link-local" not in management


def test_no_account_has_a_password() -> None:
    document = user_data(SEED)
    accounts = {user["name"]: user for user in document["users"]}
    assert set(accounts) == {"root", "mpi"}
    assert all(user["lock_passwd"] for user in accounts.values())
    assert document["ssh_pwauth"] is False
    assert accounts["mpi"]["uid"] == 2000
    assert accounts["root"]["ssh_authorized_keys"] == ["ssh-ed25519 ROOT"]
    assert "password" not in json.dumps(document)


def test_host_key_is_ours_and_no_other_is_made() -> None:
    document = user_data(SEED)
    assert document["ssh_keys"] == {
        "ed25519_private": "-----BEGIN\nprivate host key\n",
        "ed25519_public": "ssh-ed25519 HOST",
    }
    assert document["ssh_deletekeys"] is True


def test_files_of_the_user_wait_for_the_user() -> None:
    files = {file["path"]: file for file in user_data(SEED)["write_files"]}
    assert base64.b64decode(files["/etc/hosts"]["content"]) == b"\xff binary"
    key = files["/home/mpi/.ssh/id"]
    assert (key["permissions"], key["owner"], key["defer"]) == ("0600", "mpi:mpi", True)
    assert not files["/etc/hosts"]["defer"]
    assert "/etc/ssh/sshd_config.d/05-farswitch.conf" in files


def test_hosts_file_is_left_alone() -> None:
    assert user_data(SEED)["manage_etc_hosts"] is False


def test_mounts_are_added_without_touching_what_the_image_has() -> None:
    assert user_data(SEED)["runcmd"] == [
        ["sh", "-c", ADD_LINE, "sh", SEED.mounts[0], "/etc/fstab"],
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "remote-fs.target"],
        ["systemctl", "enable", "--now", "nfs-server.service"],
    ]


def test_folders_that_a_file_asks_for_are_made_before_the_units_start() -> None:
    asks = File("/etc/tmpfiles.d/share.conf", b"d /shared\n")
    seed = replace(SEED, files=(*SEED.files, asks), mounts=())
    assert user_data(seed)["runcmd"] == [
        ["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/share.conf"],
        ["systemctl", "enable", "--now", "nfs-server.service"],
    ]


def test_line_is_added_once(tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text("LABEL=rootfs / ext4 ro 0 1\n")
    for _ in range(2):
        subprocess.run(["sh", "-c", ADD_LINE, "sh", SEED.mounts[0], str(fstab)], check=True)
    assert fstab.read_text() == f"LABEL=rootfs / ext4 ro 0 1\n{SEED.mounts[0]}\n"
