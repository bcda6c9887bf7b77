"""Time small MPI kernels, and print a line of JSON: for each, percentiles of its repetitions.

Usage: mpiexec -n N python3 mpi_kernels.py SECONDS

Each repetition begins with a barrier and counts as long as its slowest rank. A kernel is repeated
for SECONDS, at least LEAST times and at most MOST. `compute` never touches the network: it judges
the machine. Standard library and mpi4py only.
"""

from __future__ import annotations

import json
import sys
from array import array
from typing import Callable  # noqa: UP035 - Python 3.8

from mpi4py import MPI

LEAST, MOST = 20, 2000
WARM = 3
"""Repetitions of each kernel that are not counted."""
EXCHANGES = 10
"""Round trips of one repetition of a small ping-pong."""

WORLD = MPI.COMM_WORLD
RANK, RANKS = WORLD.Get_rank(), WORLD.Get_size()


class Kernel:
    """What is timed, and how many equal parts one repetition of it has."""

    def __init__(self, run: Callable[[], None], parts: int) -> None:
        self.run, self.parts = run, parts


def pingpong(size: int, trips: int) -> Kernel:
    """Return a kernel in which ranks 0 and 1 send `size` bytes there and back."""
    buffer = bytearray(size)

    def run() -> None:
        for _ in range(trips):
            if RANK == 0:
                WORLD.Send([buffer, MPI.BYTE], dest=1)
                WORLD.Recv([buffer, MPI.BYTE], source=1)
            elif RANK == 1:
                WORLD.Recv([buffer, MPI.BYTE], source=0)
                WORLD.Send([buffer, MPI.BYTE], dest=0)

    return Kernel(run, 2 * trips)


def allreduce(count: int) -> Kernel:
    """Return a kernel that sums `count` doubles over all ranks."""
    own, total = array("d", [1.0]) * count, array("d", [0.0]) * count

    def run() -> None:
        WORLD.Allreduce([own, MPI.DOUBLE], [total, MPI.DOUBLE])
        if total[0] != RANKS or total[-1] != RANKS:
            WORLD.Abort(1)

    return Kernel(run, 1)


def alltoall(size: int) -> Kernel:
    """Return a kernel in which each rank sends each other one `size` bytes."""
    out, into = bytearray(size * RANKS), bytearray(size * RANKS)

    def run() -> None:
        WORLD.Alltoall([out, MPI.BYTE], [into, MPI.BYTE])

    return Kernel(run, 1)


def halo(size: int) -> Kernel:
    """Return a kernel in which each rank exchanges `size` bytes with both neighbours in a ring."""
    out, into = bytearray(size), bytearray(size)
    left, right = (RANK - 1) % RANKS, (RANK + 1) % RANKS

    def run() -> None:
        WORLD.Sendrecv([out, MPI.BYTE], dest=right, recvbuf=[into, MPI.BYTE], source=left)
        WORLD.Sendrecv([out, MPI.BYTE], dest=left, recvbuf=[into, MPI.BYTE], source=right)

    return Kernel(run, 1)


def compute() -> Kernel:
    """Return a kernel that only computes."""

    def run() -> None:
        value = 1
        for _ in range(20_000):
            value = (value * 69069 + 1) % 4294967296

    return Kernel(run, 1)


def times(kernel: Kernel, seconds: float) -> list[float]:
    """Return what the repetitions took, in seconds a part, sorted."""
    found = []
    began = MPI.Wtime()
    own, slowest = array("d", [0.0, 0.0]), array("d", [0.0, 0.0])
    number = 0
    while True:
        WORLD.Barrier()
        start = MPI.Wtime()
        kernel.run()
        own[0] = MPI.Wtime() - start
        number += 1
        kept = number - WARM
        over = kept >= MOST or (kept >= LEAST and MPI.Wtime() - began > seconds)
        own[1] = 1.0 if over and RANK == 0 else 0.0
        WORLD.Allreduce([own, MPI.DOUBLE], [slowest, MPI.DOUBLE], op=MPI.MAX)
        if kept > 0:
            found.append(slowest[0] / kernel.parts)
        if slowest[1]:
            return sorted(found)


def percentile(found: list[float], share: int) -> float:
    """Return the nearest-rank percentile of sorted values."""
    return found[max(0, -(-len(found) * share // 100) - 1)]


def main() -> None:
    """Run all kernels and print the report."""
    seconds = float(sys.argv[1])
    kernels = {
        "pingpong-8B": pingpong(8, EXCHANGES),
        "pingpong-1MB": pingpong(1_000_000, 1),
        "allreduce-8B": allreduce(1),
        "allreduce-1MB": allreduce(125_000),
        "alltoall-8kB": alltoall(8192),
        "halo-8kB": halo(8192),
        "compute": compute(),
    }
    report: dict[str, dict[str, float]] = {}
    for name, kernel in kernels.items():
        found = times(kernel, seconds)
        report[name] = {"repetitions": len(found)}
        for share in (50, 95, 99):
            report[name][f"p{share}"] = percentile(found, share)
    nodes = WORLD.gather(MPI.Get_processor_name(), root=0)
    if RANK == 0:
        library = MPI.Get_library_version().partition("\n")[0].strip("\0 ")
        print(json.dumps({"nodes": nodes, "library": library, "kernels": report}), flush=True)


if __name__ == "__main__":
    main()
