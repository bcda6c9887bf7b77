"""An sshd of the test's own on loopback: its own keys, its own configuration, its own log."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farswitch import pace
from farswitch.connections.shell.keys import KeyPair, generate
from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target
from farswitch.deadline import Deadline, wait_until

SEPARATION = Path("/run/sshd")
"""sshd's privilege separation folder: it does not start without."""
# With a home of the test's own, bash reads no ~/.bashrc of the machine's.
CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxSessions {sessions}
LogLevel VERBOSE
SetEnv HOME={folder} {environment}
Subsystem sftp internal-sftp
{more}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Sshd:
    folder: Path
    port: int = field(default_factory=free_port)
    host: KeyPair = field(default_factory=lambda: generate("host"))
    user: KeyPair = field(default_factory=lambda: generate("user"))
    sessions: int = 10
    environment: str = ""
    """Further variables of its logins, as SetEnv takes them."""
    more: str = ""
    """Further lines of its configuration."""
    within: str = ""
    """Shell commands that make a mount namespace of its own, which sshd then runs in."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def logins(self) -> int:
        return self.log.count("Accepted publickey")

    def children(self) -> list[int]:
        """The sshd processes of the logins."""
        assert self.process is not None
        return children(self.process.pid)

    def write_host_key(self) -> None:
        path = self.folder / "host"
        path.write_text(self.host.private)
        path.chmod(0o600)

    def start(self) -> None:
        self.write_host_key()
        (self.folder / "authorized").write_text(self.user.public + "\n")
        (self.folder / "key").write_text(self.user.private)
        (self.folder / "key").chmod(0o600)
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {self.host.public}\n")
        config = self.folder / "sshd_config"
        config.write_text(CONFIG.format(**vars(self)))
        binary = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert binary is not None
        command = [binary, "-D", "-e", "-f", str(config)]
        if self.within:
            script = f'set -e; {self.within}; exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, "sh", *command]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        wait_until(self._listens, Deadline(60), what="The test's sshd")

    def stop(self) -> None:
        """End the listener and what it forked."""
        if self.process is None:
            return
        family = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process = None

    def target(self, **changes: object) -> Target:
        settings: dict[str, object] = {
            "host": "server1",
            "hostname": "127.0.0.1",
            "port": self.port,
            "known_hosts": (self.folder / "known",),
            "key_file": self.folder / "key",
        }
        return Target(**{**settings, **changes})  # type: ignore[arg-type]

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return f"listening on 127.0.0.1 port {self.port}" in self.log


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for child in children(pid):
            found += [child, *descendants(child)]
    return found


@pytest.fixture(scope="session")
def separation() -> Iterator[None]:
    """sshd's folder, removed again if it was not there before."""
    mark = SEPARATION / "farswitch-tests"
    lock = os.open(SEPARATION.parent, os.O_RDONLY)
    try:  # another process of the tests may need it too
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not SEPARATION.exists() or mark.exists():
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
            with mark.open("a") as users:
                users.write("+")
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists():
            others = mark.read_text()[1:]
            mark.write_text(others)
            if not others:
                mark.unlink()
                SEPARATION.rmdir()
    finally:
        os.close(lock)


@pytest.fixture
def make_sshd(tmp_path: Path, separation: None) -> Iterator[Callable[..., Sshd]]:
    if os.geteuid() != 0:
        pytest.skip("sshd logs root in only when root runs it")
    made: list[Sshd] = []

    def make(name: str, *, where: Path = tmp_path, **settings: Any) -> Sshd:
        folder = where / name
        folder.mkdir()
        sshd = Sshd(folder, **settings)
        made.append(sshd)
        sshd.start()
        return sshd

    yield make
    for sshd in made:
        sshd.stop()


@pytest.fixture
def never_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep deadlines as long as they are written, however slow this machine is."""
    monkeypatch.setattr(pace, "USUAL", 3600.0)


@pytest.fixture
def sshd(make_sshd: Callable[..., Sshd]) -> Sshd:
    return make_sshd("sshd")


@pytest.fixture
def shell(sshd: Sshd) -> Iterator[SshShell]:
    shell = SshShell(sshd.target())
    yield shell
    shell.close()
