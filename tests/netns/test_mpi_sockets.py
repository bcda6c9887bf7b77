"""A job's connections among those of other users' jobs, by real processes and their sockets."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.remote import shell_command
from tasks.checks.mpi.sockets import parse

pytestmark = pytest.mark.root

# Holds a connection of its own, then that of a child, if it is told how to start one.
_HOLD = """
import socket, subprocess, sys
port, *child = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", int(port)))
near = socket.create_connection(("127.0.0.1", int(port)))
far, _ = listener.accept()
started = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE) if child else None
if started:
    started.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
if started:
    started.communicate()
"""


@pytest.fixture
def jobs(machine: LocalShell, tmp_path: Path) -> Iterator[None]:
    """Start a launcher, a proxy and a rank for each of two jobs; theirs has other names' ports."""
    machine.run(("ip", "link", "set", "lo", "up"))
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    for name in ("mpiexec.mpich", "hydra_pmi_proxy"):
        (tmp_path / name).symlink_to(python)
    launcher, proxy = tmp_path / "mpiexec.mpich", tmp_path / "hydra_pmi_proxy"
    with ExitStack() as stack:
        for word, base in (("word-of-our-own-job", 20000), ("word-of-their-own-job", 30000)):
            rank = ("python3", "-X", word, "-c", _HOLD, str(base + 2))
            for argv in (
                (launcher, "-X", word, "-c", _HOLD, str(base)),
                (proxy, "-c", "import os, sys; exec(os.environ['HOLD'])", str(base + 1)),
            ):
                more = rank if argv[0] == proxy else ()
                # The rank's words come to the proxy by its environment: it is not marked itself.
                hold = _HOLD.replace("sys.argv[1:]", f"sys.argv[1], *{list(more)!r}")
                started = machine.start(["env", f"HOLD={hold}", *map(str, argv)])
                stack.enter_context(closing(started))
                assert started.read(100).strip() == b"ready"
        yield


@pytest.mark.usefixtures("jobs")
def test_only_the_jobs_own_connections_are_looked_at(machine: LocalShell) -> None:
    told = machine.run(
        shell_command("mpi_processes", "sockets"), stdin="word-of-our-own-job\n"
    ).stdout
    found = parse(told)
    ports = {(one.rank, port) for one in found for _, port in (one.local, one.peer)}
    assert {one for one in ports if one[1] in range(20000, 20010)} == {
        (False, 20000), (False, 20001), (True, 20002),
    }  # fmt: skip
    assert len(found) == 6
    assert ":30000" in told


def test_a_job_that_does_not_run_here_is_told(machine: LocalShell) -> None:
    assert (
        machine.run(
            shell_command("mpi_processes", "sockets"), stdin="no-such-word-anywhere\n", check=False
        ).status
        == 3
    )


@pytest.mark.parametrize("arguments", [("sweep", "1"), ("sockets",)])
def test_a_login_that_ends_before_the_word_came_chooses_no_process(
    machine: LocalShell, arguments: tuple[str, ...]
) -> None:
    """In a process namespace of its own, as an empty word would choose all that run."""
    inside = (
        "sleep 60 & until pgrep -x sleep; do :; done >/dev/null; "
        'sh -c "$@"; echo "$? $(pgrep -c sleep)"'
    )
    own = ("unshare", "--fork", "--pid", "--mount-proc", "sh", "-c", inside, "own")
    ended = machine.run(
        (*own, *shell_command("mpi_processes", *arguments)[2:]), stdin="farswitch-", check=False
    )
    assert ended.stdout == "65 1\n"
