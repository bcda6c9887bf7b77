"""Runs on two ranks: what the first does to the share, the second has to see at once.

Prints a line of JSON: how often each was not so, and how old the size of an open file was, at most.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path

from mpi4py import MPI

SHARE, TIMES = Path("/shared/seen"), 5
world = MPI.COMM_WORLD
missed: Counter = Counter()
oldest = 0.0


def first(act):
    """Let the first rank do something while the other waits."""
    world.barrier()
    if world.rank == 0:
        act()
    world.barrier()


def second(name, see):
    """Let the second rank look."""
    if world.rank == 1 and not see():
        missed[name] += 1


def grow(path):
    """Let a file grow."""
    with path.open("a") as stream:
        stream.write("more")


def replace(path, text):
    """Let another file take its place."""
    (SHARE / "next").write_text(text)
    (SHARE / "next").rename(path)


def age(path):
    """Return for how many seconds the size of an open file is the old one.

    The last look that shows it counts from its beginning: a machine that stands still ages nothing.
    """
    with path.open() as stream:
        before = os.fstat(stream.fileno()).st_size
        first(lambda: grow(path))
        start = latest = look = time.monotonic()
        while os.fstat(stream.fileno()).st_size == before and look < start + 70:
            latest = look
            time.sleep(0.02)
            look = time.monotonic()
        return latest - start


first(SHARE.mkdir)
for number in range(TIMES):
    path = SHARE / f"late{number}"
    second("absent", lambda path=path: not path.exists())
    second("empty", lambda: list(SHARE.iterdir()) == [])
    first(lambda path=path: path.write_text("new"))
    second("made", lambda path=path: path.exists())
    second("listed", lambda path=path: list(SHARE.iterdir()) == [path])
    second("size", lambda path=path: path.stat().st_size == 3)
    first(lambda path=path: path.write_text("longer"))
    second("grown", lambda path=path: path.stat().st_size == 6 and path.read_text() == "longer")
    first(lambda path=path: replace(path, "other"))
    second("renamed", lambda path=path: path.read_text() == "other")
    if world.rank == 1:
        oldest = max(oldest, age(path))
    else:
        first(lambda path=path: grow(path))
    first(lambda path=path: path.unlink())
    second("removed", lambda path=path: not path.exists())
    first(lambda path=path: (path.mkdir(), (path / "in").touch()))
    second("below", lambda path=path: (path / "in").exists())
    first(lambda path=path: ((path / "in").unlink(), path.rmdir()))
opened = MPI.File.Open(world, str(SHARE / "mpi-io"), MPI.MODE_RDWR | MPI.MODE_CREATE)
for number in range(TIMES):
    word, found = f"{number:08d}".encode(), bytearray(8)
    if world.rank == 0:
        opened.Write_at(8 * number, word)
    opened.Sync()
    world.barrier()
    opened.Sync()
    if world.rank == 1:
        opened.Read_at(8 * number, found)
    second("mpi-io", lambda word=word, found=found: bytes(found) == word)
    second("mpi-io-size", lambda number=number: opened.Get_size() == 8 * (number + 1))
    world.barrier()
opened.Close()
first(lambda: ((SHARE / "mpi-io").unlink(), SHARE.rmdir()))
if world.rank == 1:
    print(json.dumps({"missed": missed, "oldest": oldest}))
