"""A throw-away network namespace, reached by a shell."""

import contextlib
import os
import subprocess
from itertools import count

import pytest

from farswitch.connections.shell.local import LocalShell
from tests.netns.wires import wired

counter = count()


@pytest.fixture
def machine():
    """A shell in a namespace of its own, which has nothing but a loopback."""
    name = f"fsm{os.getpid()}-{next(counter)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    shell = LocalShell("server", prefix=("ip", "netns", "exec", name))
    yield shell
    shell.close()
    subprocess.run(["ip", "netns", "del", name], check=True)


_BOX = """set -e
mount --make-rprivate /
mount -t tmpfs farswitch-test /mnt
cp -a /etc /mnt/etc
mkdir -p /mnt/etc/udev/rules.d /mnt/lib
mount --bind /mnt/etc /etc
mount --bind /mnt/lib /var/lib
mount -t tmpfs farswitch-test /run
ip link set lo up
echo ready
exec cat
"""


@pytest.fixture
def boxes():
    """Make shells of machines with an own network, /etc, /run and /var/lib, gone after the test."""
    with _machines() as make:
        yield make


@pytest.fixture(scope="module")
def lasting_boxes():
    """Make the same, gone after all tests of the module."""
    with _machines() as make:
        yield make


@contextlib.contextmanager
def _machines():
    with contextlib.ExitStack() as stack:

        def make() -> LocalShell:
            argv = ["unshare", "--net", "--mount", "sh", "-c", _BOX]
            pipe = subprocess.PIPE
            process = stack.enter_context(subprocess.Popen(argv, stdin=pipe, stdout=pipe))
            stack.callback(process.kill)
            assert process.stdout.readline() == b"ready\n"
            enter = ("nsenter", f"--target={process.pid}", "--net", "--mount", "--")
            return LocalShell(f"box{process.pid}", prefix=enter)

        yield make


@pytest.fixture
def box(boxes):
    """A shell of one such machine."""
    return boxes()


@pytest.fixture
def net(boxes):
    """Two servers, a third host and two guests, without a guard."""
    return wired(boxes)
