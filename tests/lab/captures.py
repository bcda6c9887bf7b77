"""A capture between two guests as a user makes it, and what tshark reads of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from farswitch.deadline import Deadline, wait_until
from tests.lab.clusters import ClusterUnderTest

PROGRAM = "Copy the frames that a filter"
"""What the copying programs' command lines have."""
Process = subprocess.Popen[bytes]


@contextmanager
def started(cluster: ClusterUnderTest, *options: str) -> Iterator[Process]:
    """Start a capture of two guests, which listens on both servers in the block."""
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    process = cluster.start("capture", "node1", "node3", *options, **streams)
    call_off = Deadline(120).watch(process.kill)
    with process:
        try:
            assert process.stderr
            assert any(line.startswith(b"Capturing at 8 interfaces") for line in process.stderr)
            yield process
        finally:
            process.kill()
            call_off()


def ping(cluster: ClusterUnderTest, count: int = 2) -> None:
    """Let the first guest ping the third."""
    one, three = cluster.guest(1), cluster.guest(3)
    one.root(f"ping -c {count} -i 0.2 -q {three.address}")


def rows(source: Path | IO[bytes], *fields: str) -> list[list[str]]:
    """Return fields of each packet as tshark reads them."""
    given = source if isinstance(source, Path) else "-"
    words = [word for field in fields for word in ("-e", field)]
    argv = ["tshark", "-n", "-r", given, "-T", "fields", "-E", "occurrence=l", *words]
    stdin = None if isinstance(source, Path) else source
    done = subprocess.run(argv, stdin=stdin, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def nothing_left(cluster: ClusterUnderTest) -> None:
    """Fail where a program still copies frames on a server."""
    for server in ("server1", "server2"):

        def gone(name: str = server) -> bool:
            return PROGRAM not in cluster.on(name, ["ps", "-eo", "args"])

        wait_until(gone, Deadline(30), what=f"The end of the program on {server}")
