"""Send messages around all ranks of an MPI job, check what comes back, and print JSON.

Usage: mpiexec -n N python3 -IS mpi_ring.py SIZE [SIZE ...]   (sizes in bytes)

It calls MPICH's library by its C interface: mpi4py would take an emulated node 0.6 s more to start.
The constants are those of the MPICH ABI, which all its versions since 3.1 have in common.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Callable  # noqa: UP035 - Python 3.8

WORLD, BYTE, IGNORED = 0x44000000, 0x4C00010D, ctypes.c_void_p(1)
"""MPI_COMM_WORLD, MPI_BYTE, MPI_STATUS_IGNORE."""
NAME = 256
"""Bytes for a node's name: MPI_MAX_PROCESSOR_NAME is 128."""


def library() -> ctypes.CDLL:
    """Load MPICH's library, by the name that Debian gives it or by that of its ABI."""
    try:
        return ctypes.CDLL("libmpich.so.12", mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return ctypes.CDLL("libmpi.so.12", mode=ctypes.RTLD_GLOBAL)


def number(ask: Callable[..., int]) -> int:
    """Return what a call like MPI_Comm_rank answers."""
    answer = ctypes.c_int()
    ask(WORLD, ctypes.byref(answer))
    return answer.value


def lap(mpi: ctypes.CDLL, rank: int, ranks: int, size: int) -> dict[str, object]:
    """Send `size` bytes from rank 0 through all ranks back to rank 0; compare what came back."""
    message = (bytes(range(256)) * (size // 256 + 1))[:size]
    received = ctypes.create_string_buffer(size)
    before, after = (rank - 1) % ranks, (rank + 1) % ranks
    mpi.MPI_Barrier(WORLD)
    started = mpi.MPI_Wtime()
    if rank == 0:
        # Where it is alone it sends to itself: a blocking send would never see the receive.
        request = ctypes.c_int()
        mpi.MPI_Isend(message, size, BYTE, after, 0, WORLD, ctypes.byref(request))
        mpi.MPI_Recv(received, size, BYTE, before, 0, WORLD, IGNORED)
        mpi.MPI_Wait(ctypes.byref(request), IGNORED)
    else:
        mpi.MPI_Recv(received, size, BYTE, before, 0, WORLD, IGNORED)
        mpi.MPI_Send(received, size, BYTE, after, 0, WORLD)
    seconds = mpi.MPI_Wtime() - started
    return {"bytes": size, "seconds": seconds, "intact": received.raw == message}


def gathered(mpi: ctypes.CDLL, ranks: int, own: bytes) -> list[bytes]:
    """Return on rank 0 what each rank has, without zeros at its end; NAME bytes at most."""
    every = ctypes.create_string_buffer(NAME * ranks)
    sent = ctypes.create_string_buffer(own, NAME)
    mpi.MPI_Gather(sent, NAME, BYTE, every, NAME, BYTE, 0, WORLD)
    return [every.raw[at : at + NAME].rstrip(b"\0") for at in range(0, NAME * ranks, NAME)]


def main() -> None:
    """Run the laps and print one line of JSON on rank 0."""
    mpi = library()
    mpi.MPI_Wtime.restype = ctypes.c_double
    mpi.MPI_Init(None, None)
    rank, ranks = number(mpi.MPI_Comm_rank), number(mpi.MPI_Comm_size)
    name, length = ctypes.create_string_buffer(NAME), ctypes.c_int()
    mpi.MPI_Get_processor_name(name, ctypes.byref(length))
    nodes = [node.decode() for node in gathered(mpi, ranks, name.value)]
    laps = [lap(mpi, rank, ranks, int(size)) for size in sys.argv[1:]]
    intact = gathered(mpi, ranks, b"yes" if all(one["intact"] for one in laps) else b"no")
    if rank == 0:
        document = {"nodes": nodes, "laps": laps, "intact": set(intact) == {b"yes"}}
        print(json.dumps(document), flush=True)
    mpi.MPI_Finalize()


if __name__ == "__main__":
    main()
