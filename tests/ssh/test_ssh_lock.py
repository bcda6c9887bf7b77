"""A lock over a real login: what becomes of both when the run dies or is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from farswitch.connections.fence import Fence
from farswitch.connections.shell.ssh import SshShell
from farswitch.deadline import Deadline, wait_until
from farswitch.lock.lease import Lease, LockLostError
from farswitch.lock.messages import LockHolder
from farswitch.site.loader import ROOT

pytestmark = pytest.mark.ssh
SILENCE = 2.0
# The run holds the lock, a channel to a process and one to a port, as it does in the middle of a
# build; when it wakes up it tries all three ways to change something, and a new login.
RUN = """\
import os, signal, sys
from pathlib import Path
from farswitch.lock.lease import Lease
from farswitch.lock.messages import LockHolder
from farswitch.connections.shell.target import Target
from farswitch.connections.shell.ssh import SshShell
from farswitch.errors import FarswitchError
from farswitch.connections.fence import Fence

folder, port, locks, marks = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
fence = Fence()
target = Target("server1", "127.0.0.1", port, known_hosts=(folder / "known",),
                key_file=folder / "key")
shell = SshShell(target, fence)
lease = Lease(shell, LockHolder(cluster="c", pid=os.getpid()), folder=locks, silence=2)
fence.add(lease.check)
writer = shell.start(["sh", "-c", f"read line && echo >{marks}/process"])
shell.run(["true"])
print("held", flush=True)
sys.stdin.readline()
try:
    writer.write(b"go\\n")
except OSError:
    print("process refused")
for name in ("again", "twice"):
    try:
        shell.run(["touch", f"{marks}/{name}"])
    except FarswitchError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def run(sshd, tmp_path: Path, request: pytest.FixtureRequest):
    """A run of another process over a login of its own, which holds the lock of cluster 'c'."""
    (tmp_path / "marks").mkdir()
    program = RUN.replace("silence=2", f"silence={getattr(request, 'param', 2)}")
    argv = [
        sys.executable,
        "-c",
        program,
        str(sshd.folder),
        str(sshd.port),
        str(tmp_path / "locks"),
    ]
    argv.append(str(tmp_path / "marks"))
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def take(shell: SshShell, tmp_path: Path) -> Callable[[], Lease | None]:
    """Take the lock of cluster 'c', or None."""

    def call() -> Lease | None:
        run = LockHolder(cluster="c", pid="1")
        lease = Lease(shell, run, folder=str(tmp_path / "locks"), silence=SILENCE)
        return lease if lease.held else None

    return call


@pytest.mark.parametrize("run", [600], indirect=True)
def test_a_killed_run_holds_its_lock_no_longer(run, take):
    assert take() is None
    run.kill()
    run.wait()
    lease = wait_until(take, Deadline(60), what="The takeover")
    lease.release()


def test_a_run_that_was_stopped_and_wakes_up_does_nothing_more(run, take, tmp_path: Path):
    os.kill(run.pid, signal.SIGSTOP)
    began = time.monotonic()
    lease = wait_until(take, Deadline(60), what="The takeover")
    assert time.monotonic() - began > SILENCE / 2
    os.kill(run.pid, signal.SIGCONT)
    said, _ = run.communicate("go\n", timeout=120)
    assert said.count("LockLostError The lock on server 'server1' was lost") == 2
    assert list((tmp_path / "marks").iterdir()) == []
    lease.check()
    lease.release()


def test_a_login_that_ends_with_its_lock_names_the_lock(sshd, tmp_path: Path, monkeypatch):
    fence = Fence()
    shell = SshShell(sshd.target(), fence)
    lease = Lease(shell, LockHolder(cluster="c"), folder=str(tmp_path / "locks"))
    fence.add(lease.check)
    opened = paramiko.Transport.open_session

    def ended(transport: paramiko.Transport, **options: object) -> object:
        transport.close()  # as the server does, after it was last seen to be up
        with pytest.raises(LockLostError):
            wait_until(lease.check, Deadline(60), what="The end of the lock")
        return opened(transport, **options)

    monkeypatch.setattr(paramiko.Transport, "open_session", ended)
    with pytest.raises(LockLostError, match="server 'server1' was lost: its process there ended"):
        shell.run(["touch", str(tmp_path / "mark")])
    assert not (tmp_path / "mark").exists()
    shell.close()


def test_a_login_that_ends_before_its_command_is_made_anew(shell: SshShell, monkeypatch):
    opened, ended = paramiko.Transport.open_session, []

    def end_once(transport: paramiko.Transport, **options: object) -> object:
        if not ended:
            ended.append(transport)
            transport.close()
        return opened(transport, **options)

    shell.run(["true"])
    monkeypatch.setattr(paramiko.Transport, "open_session", end_once)
    assert shell.run(["echo", "once"]).stdout == "once\n"
    assert len(ended) == 1


def test_what_a_stopped_run_had_begun_ends_before_its_lock_falls(sshd, shell, take, tmp_path: Path):
    script = RUN.replace("read line && echo", "sleep 5; echo")
    argv = [sys.executable, "-c", script, str(sshd.folder), str(sshd.port), str(tmp_path / "locks")]
    (tmp_path / "marks").mkdir()
    pipe = subprocess.PIPE
    argv.append(str(tmp_path / "marks"))
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout.readline() == "held\n"
            os.kill(process.pid, signal.SIGSTOP)
            lease = wait_until(take, Deadline(60), what="The takeover")
            assert (tmp_path / "marks/process").exists()
            lease.release()
        finally:
            process.kill()
