"""The logins of one node to others, as verify makes them: each one anew."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.remote import shell_command
from tasks.checks.ssh.judge import Answer, parse
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
CONFIG = """\
Host node1 node2
    HostName 127.0.0.1
    Port {sshd.port}
    HostKeyAlias [127.0.0.1]:{sshd.port}
    UserKnownHostsFile {sshd.folder}/known
    IdentityFile {sshd.folder}/key
    IdentitiesOnly yes
    ControlMaster auto
    ControlPath {folder}/%n
    ControlPersist 60
Host node3
    HostName 127.0.0.1
    Port {closed}
"""


@pytest.fixture
def sharing(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Run programs whose `ssh` shares one connection to node1, which is open."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        config, program = tmp_path / "config", tmp_path / "bin/ssh"
        port = closed.getsockname()[1]
        config.write_text(CONFIG.format(sshd=sshd, folder=tmp_path, closed=port))
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin:/usr/sbin:/sbin")

        def run(*argv: str) -> str:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            return done.stdout

        assert run("ssh", "-n", "node1", "hostname") == f"{socket.gethostname()}\n"
        yield run
        run("ssh", "-O", "exit", "node1")


def test_a_shared_connection_is_no_login(sshd: Sshd, sharing: Callable[..., str]):
    before = sshd.logins
    assert sharing("ssh", "-n", "node1", "hostname")
    assert sshd.logins == before, "it is shared"
    said = sharing(*shell_command("ssh_pairs", "20", "10", "2", "node1", "node2", "node3"))
    name = Answer(0, socket.gethostname())
    answers = parse(said)
    assert (answers["node1"], answers["node2"]) == (name, name)
    assert answers["node3"].kind == "sshd"
    assert sshd.logins == before + 2
