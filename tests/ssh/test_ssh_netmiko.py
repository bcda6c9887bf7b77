"""nornir-netmiko's own tasks on our inventory, by the script of docs/as-a-library.md."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.documented import run_script
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
HOSTS = """\
server1:
  hostname: 127.0.0.1
  port: {server1.port}
  groups: [hypervisor]
  data: {{underlay: 198.51.100.1}}
server2:
  hostname: localhost
  port: {server2.port}
  groups: [switch]
  data: {{underlay: 198.51.100.2}}
node1: {{groups: [guest]}}
"""
GROUPS = """\
hypervisor: {{data: {{key_file: {0}/key, known_hosts: {0}/known}}}}
switch: {{data: {{key_file: {0}/key, known_hosts: {0}/known}}}}
"""
SSH_CONFIG = """\
Host server1
    HostName 127.0.0.1
    Port {server1.port}
    User root
    IdentityFile {folder}/key
    UserKnownHostsFile {folder}/known
    StrictHostKeyChecking yes
Host node1
    HostName 127.0.0.1
    Port {node1.port}
    ProxyJump server1
"""


@dataclass
class Site:
    """Three sshd, and the files of a site and of a cluster's build that lead to them."""

    folder: Path
    sshds: dict[str, Sshd]
    source: Path

    @property
    def known(self) -> dict[str, Path]:
        """The file with each host's key."""
        login = self.folder / "state/farswitch/clusters/lab/known_hosts"
        servers = self.folder / "known"
        return {"server1": servers, "server2": servers, "node1": login}

    def write(self) -> None:
        site, login = self.folder / "site", self.folder / "state/farswitch/clusters/lab"
        site.mkdir()
        login.mkdir(parents=True)
        user = self.sshds["server1"].user
        for key in (self.folder / "key", login / "id_ed25519"):
            key.touch(mode=0o600)
            key.write_text(user.private)
        for name, sshd in self.sshds.items():
            (sshd.folder / "authorized").write_text(user.public + "\n")
            address = "localhost" if name == "server2" else "127.0.0.1"
            with self.known[name].open("a") as known:
                known.write(f"[{address}]:{sshd.port} {sshd.host.public}\n")
        fields = {"folder": self.folder, **self.sshds}
        (site / "hosts.yaml").write_text(HOSTS.format(**fields))
        (site / "groups.yaml").write_text(GROUPS.format(self.folder))
        (site / "defaults.yaml").write_text("data: {cluster: lab}\n")
        (login / "ssh_config").write_text(SSH_CONFIG.format(**fields))

    def run(self) -> subprocess.CompletedProcess[str]:
        state = {"XDG_STATE_HOME": str(self.folder / "state")}
        return run_script(
            "netmiko_tasks.py", self.folder, str(self.folder / "site"), str(self.source), **state
        )


@pytest.fixture
def site(make_sshd: Callable[..., Sshd], tmp_path: Path) -> Iterator[Site]:
    source = tmp_path / f"farswitch-{uuid.uuid4()}"
    source.write_text("what the guests shall have\n")
    names = ("server1", "server2", "node1")
    site = Site(tmp_path, {name: make_sshd(name) for name in names}, source)
    site.write()
    yield site
    (Path("/var/tmp") / source.name).unlink(missing_ok=True)


def test_netmiko_sends_commands_to_all_and_a_file_to_guests(site):
    done = site.run()
    assert done.returncode == 0, done.stdout + done.stderr
    system = os.uname()
    assert done.stdout.count(f"{system.nodename} {system.release}") == 3
    assert (Path("/var/tmp") / site.source.name).read_bytes() == site.source.read_bytes()
    logins = {name: sshd.logins for name, sshd in site.sshds.items()}
    assert logins["server2"] == 1
    assert "Accepted publickey" in site.sshds["node1"].log


@pytest.mark.parametrize("name", ["server1", "server2", "node1"])
def test_netmiko_logs_in_to_no_host_whose_key_is_not_known(site, name):
    known, port = site.known[name], site.sshds[name].port
    lines = known.read_text().splitlines(keepends=True)
    known.write_text("".join(line for line in lines if f":{port} " not in line))
    done = site.run()
    assert done.returncode == 1, done.stdout + done.stderr
    assert site.sshds[name].logins == 0
