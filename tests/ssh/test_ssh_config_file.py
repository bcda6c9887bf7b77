"""Logins by an ssh configuration of their own: what Nornir's SimpleInventory has of the guests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from nornir import InitNornir
from nornir.core.filter import F
from ruamel.yaml import YAML

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import HostKeyError
from farswitch.model.cluster import cluster
from farswitch.run import ssh_config
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
LAB = load_site(str(ROOT / "inventory/lab"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a cluster's way in, in a home with a blank in its name."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a state"))
    wanted = cluster(replace(LAB, settings=LAB.settings.model_copy(update={"cluster": "test"})))
    return ssh_config.save(wanted, complete(None, wanted, 3, 1450)).parent


def lead_to(folder: Path, jump: Sshd, guest: Sshd) -> None:
    """Let the configuration's node1 be a sshd behind another one, and let both take one key."""
    others = (folder / "ssh_config").read_text().split("Host node1 test-node1")[1:]
    hop = f"""\
Host test-server1
    HostName 127.0.0.1
    Port {jump.port}
    User root
    IdentityFile "{jump.folder}/key"
    UserKnownHostsFile "{jump.folder}/known"
    StrictHostKeyChecking yes
"""
    node = "Host node1 test-node1" + "".join(others).replace("10.10.0.11", "127.0.0.1", 1)
    node = node.replace("    User ", f"    Port {guest.port}\n    User ", 1)
    assert "ProxyJump test-server1" in node
    (folder / "ssh_config").write_text(hop + node)
    (folder / "id_ed25519").write_text(guest.user.private)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{guest.port} {guest.host.public}\n")


def test_nornirs_inventory_leads_through_the_hypervisor(
    folder: Path, make_sshd: Callable[..., Sshd]
):
    jump, guest = make_sshd("server1"), make_sshd("node1", environment="WHO=node1")
    lead_to(folder, jump, guest)
    files = {"host_file": str(folder / "hosts.yaml"), "group_file": str(folder / "groups.yaml")}
    inventory = {"plugin": "SimpleInventory", "options": files}
    with InitNornir(inventory=inventory, logging={"enabled": False}) as nornir:
        hosts = nornir.inventory.hosts
        assert [(host.name, host["vni"]) for host in hosts.values()] == [
            ("node1", 41), ("node2", 42), ("node3", 43),
        ]  # fmt: skip
        assert len(nornir.filter(F(role="guest", hypervisor="server1")).inventory.hosts) == 3
        printed = shell(hosts["node1"]).run(["sh", "-c", 'echo "$WHO"']).stdout
        assert printed == "node1\n"
    assert (jump.logins, guest.logins) == (1, 1)


def test_a_guest_whose_key_is_another_is_refused(folder: Path, make_sshd: Callable[..., Sshd]):
    jump, guest = make_sshd("server1"), make_sshd("node1")
    lead_to(folder, jump, guest)
    known = folder / "known_hosts"
    known.write_text(known.read_text().replace(guest.host.public, jump.host.public))
    files = {"host_file": str(folder / "hosts.yaml"), "group_file": str(folder / "groups.yaml")}
    inventory = {"plugin": "SimpleInventory", "options": files}
    nornir = InitNornir(inventory=inventory, logging={"enabled": False})
    with nornir, pytest.raises(HostKeyError, match="The host key of 'node1' is"):
        shell(nornir.inventory.hosts["node1"])
    assert guest.logins == 0


def test_ansibles_inventory_names_each_guest_and_the_configuration(folder: Path):
    (group,) = YAML(typ="safe", pure=True).load(folder / "ansible.yaml").items()
    assert group[0] == "guests"
    arguments = group[1]["vars"]["ansible_ssh_common_args"]
    assert arguments == f"-F '{folder}/ssh_config'"
    assert group[1]["hosts"]["node2"] == {
        "index": 2, "vni": 42, "data_address": "10.0.0.12", "management_address": "10.10.0.12",
        "hypervisor": "server1", "cluster": "test",
    }  # fmt: skip
