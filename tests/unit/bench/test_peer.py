"""The usual way: what its files say of the cluster, and that the playbook finds all it names."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from bench.peer import WAY, UsualWay, check_names
from bench.site import write_site
from farswitch.connections.shell.keys import generate
from farswitch.errors import FarswitchError
from farswitch.image.build import BuiltImage


@pytest.fixture
def way(tmp_path: Path) -> UsualWay:
    image = BuiltImage(tmp_path / "disk.qcow2", None, None, "", "0", 1)
    way = UsualWay(write_site(tmp_path, 3), image, generate("test"))
    way.prepare()
    return way


def test_the_playbook_finds_every_variable_in_the_inventory(way: UsualWay):
    playbook = (WAY / "playbook.yaml").read_text()
    used = set(re.findall(r"{{ (\w+)", playbook)) - {"item"}
    everybody = json.loads((way.folder / "inventory.json").read_text())["all"]
    assert used <= set(everybody["vars"])
    assert set(re.findall(r"^  hosts: (\w+)", playbook, re.MULTILINE)) == {
        "all", *everybody["children"]
    }  # fmt: skip


def test_the_inventory_has_each_guest_once(way: UsualWay):
    children = json.loads((way.folder / "inventory.json").read_text())["all"]["children"]
    assert list(children["head"]["hosts"]) == ["node1"]
    assert list(children["others"]["hosts"]) == ["node2", "node3"]


def test_guests_are_reached_through_their_hypervisor(way: UsualWay):
    text = (way.folder / "ssh_config").read_text()
    assert text.count("ProxyJump server1") == 3
    assert "HostName 10.97.0.12" in text


def test_only_the_user_reads_the_private_key(way: UsualWay):
    assert (way.folder / "key").stat().st_mode & 0o077 == 0


def test_a_guest_gets_cloud_inits_three_files_and_the_script(way: UsualWay):
    guest = way.bench.cluster.guests[1]
    with tarfile.open(fileobj=io.BytesIO(way._seed(guest))) as tar:
        files = {member.name: tar.extractfile(member).read().decode() for member in tar}
    assert set(files) == {"user-data", "meta-data", "network-config", "raise.sh"}
    assert files["user-data"].startswith("#cloud-config\n")
    assert json.loads(files["meta-data"])["local-hostname"] == "node2"
    nics = json.loads(files["network-config"])["ethernets"]
    assert nics["data0"]["addresses"] == ["10.96.0.12/24"]
    assert nics["data0"]["mtu"] == 1450


@pytest.mark.parametrize("printed", ["node1\nnode2\n", "node1\nnode1\nnode2\n", ""])
def test_an_mpi_run_that_left_a_guest_out_is_an_error(way: UsualWay, printed: str):
    check_names(way.bench, "node2\nnode3\nnode1\n")
    with pytest.raises(FarswitchError, match="MPI ran on"):
        check_names(way.bench, printed)
