"""Logins over a slow way, to a slow host, and from a controller that was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from farswitch import pace
from farswitch.connections.shell.protocol import CommandTimeoutError
from farswitch.connections.shell.ssh import SshShell
from tests.ssh.conftest import Sshd, children
from tests.ssh.proxy import Proxy

pytestmark = [pytest.mark.ssh, pytest.mark.root]
ROOT = Path(__file__).parents[2]


@contextmanager
def standing_still(pids: list[int], seconds: float) -> Iterator[None]:
    """Let processes stand still for so long, from now on."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def go_on() -> None:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    timer = threading.Timer(seconds, go_on)
    timer.start()
    yield
    timer.join()


def test_a_prompt_host_keeps_its_deadlines(shell: SshShell) -> None:
    shell.run(["true"])
    limit = pace.patient(1.0)
    with pytest.raises(CommandTimeoutError, match="did not end within"):
        shell.run(["sleep", "60"], timeout=1.0)
    assert limit <= 1.0 * pace.MOST
    assert shell.run(["echo", "still there"]).stdout == "still there\n"


def test_a_slow_way_makes_deadlines_longer_and_is_named(sshd: Sshd) -> None:
    with Proxy(sshd.port, delay=0.2) as proxy:
        (sshd.folder / "known").write_text(f"[127.0.0.1]:{proxy.port} {sshd.host.public}\n")
        with closing(SshShell(sshd.target(port=proxy.port))) as shell:
            shell.run(["true"])
            assert pace.factor() >= 4  # there and back
            assert shell.run(["sh", "-c", "sleep 2; echo late"], timeout=1.0).stdout == "late\n"
    assert pace.note().startswith("Slow: a command took up to ")
    assert "'server1'" in pace.note()


def test_what_hangs_on_a_slow_way_is_ended_all_the_same(sshd: Sshd) -> None:
    pace.observe("node1", 3600)
    with closing(SshShell(sshd.target())) as shell:
        shell.run(["true"])
        with pytest.raises(CommandTimeoutError, match="did not end within 3 s"):
            shell.run(["sleep", "60"], timeout=3 / pace.MOST)


def test_a_host_that_stands_still_for_a_while_is_slow_and_not_gone(sshd: Sshd) -> None:
    with closing(SshShell(sshd.target())) as shell:
        shell.run(["true"])
        assert sshd.process is not None
        family = [pid for child in children(sshd.process.pid) for pid in (child, *children(child))]
        with standing_still(family, 2.0):
            assert shell.run(["echo", "here"], timeout=20).stdout == "here\n"
        assert pace.factor() == pace.MOST
        assert shell.run(["sleep", "2"], timeout=0.5).status == 0


STOPPED = """
import sys
from pathlib import Path
from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target
folder, port = Path(sys.argv[1]), int(sys.argv[2])
shell = SshShell(Target(host="server1", hostname="127.0.0.1", port=port,
                        known_hosts=(folder / "known",), key_file=folder / "key"))
shell.run(["true"])
print("ready", flush=True)
print(shell.run(["sh", "-c", "sleep 1.5; echo done"], timeout=2.5).stdout, end="", flush=True)
print(shell.run(["echo", "same login"]).stdout, end="")
"""


def test_a_controller_that_was_stopped_takes_the_answer_over_the_same_login(sshd: Sshd) -> None:
    """No watchdog of a deadline that passed meanwhile takes the login down either."""
    argv = [sys.executable, "-c", STOPPED, str(sshd.folder), str(sshd.port)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        time.sleep(0.7)
        with standing_still([program.pid], 8.0):
            pass
        assert program.stdout.read() == "done\nsame login\n"
    assert (program.returncode, sshd.logins) == (0, 1)
