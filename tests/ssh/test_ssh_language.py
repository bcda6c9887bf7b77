"""A server whose logins speak another language: what we parse is English all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.connections.netlink.plugin import RelayEndpoint
from farswitch.connections.shell.protocol import ConnectionLostError, PrivilegeError
from farswitch.connections.shell.ssh import SshShell
from farswitch.errors import ConfigError
from farswitch.lock.lease import Lease
from farswitch.lock.messages import LockHolder
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The variables of a login in German, with a locale of the test's own."""
    folder = tmp_path_factory.mktemp("locales")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=False
    )
    if made.returncode != 0:
        pytest.skip("localedef cannot make de_DE.UTF-8 here")
    return f"LOCPATH={folder} LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de"


@pytest.fixture
def shell(make_sshd: Callable[..., Sshd], german: str) -> Iterator[SshShell]:
    shell = SshShell(make_sshd("german", environment=german).target())
    yield shell
    shell.close()


@pytest.fixture
def bare(make_sshd: Callable[..., Sshd], german: str, tmp_path: Path) -> Iterator[SshShell]:
    """A server in German that has neither python3 nor sudo."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "sh", "timeout"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    shell = SshShell(make_sshd("bare", environment=f"{german} PATH={programs}").target())
    yield shell
    shell.close()


def test_the_login_itself_is_in_german(shell: SshShell) -> None:
    raw = shell.execute(["/usr/bin/printf", "%.1f", "0,5"], b"", 60)
    assert (raw.status, raw.stdout) == (0, b"0,5")


def test_commands_and_processes_run_in_no_language(shell: SshShell) -> None:
    assert shell.run(["printf", "%.1f", "0.5"]).stdout == "0.5"
    assert "No such file or directory" in shell.run(["ls", "/nowhere"], check=False).stderr
    process = shell.start(["printf", "%.1f", "0.5"])
    assert process.read(100) == b"0.5"
    process.close()


def test_a_missing_python_is_named(bare: SshShell) -> None:
    with pytest.raises(ConfigError, match=r"Programs are missing on 'server1': python3\."):
        Lease(bare, LockHolder(cluster="test"))
    said = r"'server1': .*'python3': No such file"
    with (
        pytest.raises(ConnectionLostError, match=said),
        RelayEndpoint("server1", bare).session() as ipr,
    ):
        ipr.link_lookup(ifname="lo")


def test_a_missing_sudo_is_a_lack_of_privilege(bare: SshShell) -> None:
    bare.sudo = True
    with pytest.raises(PrivilegeError, match="'server1'"):
        bare.run(["true"])
    with pytest.raises(PrivilegeError, match="'server1'"):
        Lease(bare, LockHolder(cluster="test"))
