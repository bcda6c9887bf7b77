"""Climb from MPI's start to pairs of ranks, and say in JSON, a line a rung, how it went.

Usage: mpiexec -n N python3 mpi_ladder.py SIZE [SIZE ...]   (sizes in bytes)

After start, barrier and a ring of each size it does what rank 0 reads on its standard input, a line
of JSON a round: {"bytes": 9, "pairs": [[0, 1], [2, 3]]} lets ranks 0 and 1 send each other 9 bytes,
2 and 3 side by side with them; the end of the input ends it. Ranks that wait do not spin: they
share a processor.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from mpi4py import MPI

if TYPE_CHECKING:
    Told = dict[str, object]

LAPS = 20
"""Round trips of one byte that the latency is the median of."""
PAUSE = 0.01
"""Seconds between two looks for a command."""


def say(world: MPI.Intracomm, rung: str, **told: object) -> None:
    """Print a line on rank 0."""
    if world.Get_rank() == 0:
        print(json.dumps({"rung": rung, **told}), flush=True)


def lap(world: MPI.Intracomm, size: int) -> Told:
    """Send `size` bytes from rank 0 through all ranks back to rank 0; compare what came back."""
    rank, ranks = world.Get_rank(), world.Get_size()
    message = bytearray(bytes(range(256)) * (size // 256 + 1))[:size]
    received = bytearray(size)
    world.Barrier()
    started = MPI.Wtime()
    if rank == 0:
        # Where it is alone it sends to itself: a blocking send would never see the receive.
        sent = world.Isend([message, MPI.BYTE], dest=1 % ranks)
        world.Recv([received, MPI.BYTE], source=(ranks - 1) % ranks)
        sent.Wait()
    else:
        world.Recv([received, MPI.BYTE], source=rank - 1)
        world.Send([received, MPI.BYTE], dest=(rank + 1) % ranks)
    seconds = MPI.Wtime() - started
    return {"bytes": size, "seconds": seconds, "intact": received == message}


def transfer(world: MPI.Intracomm, size: int, first: int, second: int) -> list[Told]:
    """Send `size` bytes from the first rank to the second, and then back; time both.

    Returns:
        On the first rank what both directions took, elsewhere nothing. The latency is half of a
        round trip of one byte, in seconds; a transfer ends with one byte of answer.
    """
    rank = world.Get_rank()
    if rank not in (first, second):
        return []
    message = bytearray(bytes(range(256)) * (size // 256 + 1))[:size]
    received, one = bytearray(size), bytearray(1)
    other = second if rank == first else first
    trips = []
    for _ in range(LAPS):
        started = MPI.Wtime()
        if rank == first:
            world.Send([one, MPI.BYTE], dest=other)
            world.Recv([one, MPI.BYTE], source=other)
        else:
            world.Recv([one, MPI.BYTE], source=other)
            world.Send([one, MPI.BYTE], dest=other)
        trips.append(MPI.Wtime() - started)
    told: list[Told] = []
    for sender, receiver in ((first, second), (second, first)):
        started = MPI.Wtime()
        intact = True
        if rank == sender:
            world.Send([message, MPI.BYTE], dest=other)
            intact = bool(world.recv(source=other))
        else:
            world.Recv([received, MPI.BYTE], source=other)
            intact = received == message
            world.send(intact, dest=other)
        seconds = MPI.Wtime() - started
        told.append(
            {"from": sender, "to": receiver, "bytes": size, "seconds": seconds, "intact": intact}
        )
    for direction in told:
        direction["latency"] = sorted(trips)[LAPS // 2] / 2
    return told if rank == first else []


def order(world: MPI.Intracomm) -> str:
    """Return the next round's line; empty at the end of the input."""
    if world.Get_rank() == 0:
        line = sys.stdin.readline()
        for rank in range(1, world.Get_size()):
            world.send(line, dest=rank)
        return line
    while not world.iprobe(source=0):
        time.sleep(PAUSE)
    ordered: str = world.recv(source=0)
    return ordered


def obey(world: MPI.Intracomm) -> None:
    """Do what rank 0 reads until its input ends."""
    while line := order(world):
        wanted = json.loads(line)
        mine = []
        for first, second in wanted["pairs"]:
            mine += transfer(world, wanted["bytes"], first, second)
        if world.Get_rank() == 0:
            told = list(mine)
            for first, _ in wanted["pairs"]:
                if first != 0:
                    told += world.recv(source=first)
            say(world, "round", pairs=told)
        elif mine:
            world.send(mine, dest=0)


def main() -> None:
    """Climb the rungs."""
    world = MPI.COMM_WORLD
    say(world, "init", ranks=world.Get_size())
    started = MPI.Wtime()
    world.Barrier()
    seconds = MPI.Wtime() - started
    nodes = world.gather(MPI.Get_processor_name(), root=0)
    say(world, "barrier", seconds=seconds, nodes=nodes)
    for size in map(int, sys.argv[1:]):
        told = lap(world, size)
        everywhere = world.gather(told["intact"], root=0)
        say(world, "ring", **told | {"intact": all(everywhere or ())})
    obey(world)
    say(world, "end")


main()
