"""Pass a number around all ranks for ever, and report each lap that came back in a line of JSON.

Usage: mpiexec -n N python3 laps.py SECONDS [WORD]   (WORD only marks the processes)

It ends with its standard input, or after SECONDS at the latest: every rank by itself, so that one
that hears of nobody any more ends too. Ranks that wait do not spin: they share a processor.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

from mpi4py import MPI

PAUSE = 0.01
"""Seconds between two looks for a message."""
REST = 0.1
"""Seconds of rank 0 between two laps."""


def report(**values: object) -> None:
    """Print a line."""
    print(json.dumps(values), flush=True)


def finish(request: MPI.Request, world: MPI.Intracomm) -> None:
    """Wait for a message to be there, or sent; end the job when rank 0's input ends."""
    while not request.Test():
        time.sleep(PAUSE)
        if world.Get_rank() == 0 and _input_ended():
            world.Abort(0)


def _input_ended() -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def lap(world: MPI.Intracomm, number: int) -> None:
    """Send a number from rank 0 through all ranks; each must get what rank 0 sent."""
    rank, ranks = world.Get_rank(), world.Get_size()
    got = bytearray(8)
    coming = world.Irecv([got, MPI.BYTE], source=(rank - 1) % ranks)
    if rank > 0:
        finish(coming, world)
    going = world.Isend([number.to_bytes(8, "big"), MPI.BYTE], dest=(rank + 1) % ranks)
    finish(going, world)
    if rank == 0:
        finish(coming, world)
    if int.from_bytes(got, "big") != number:
        world.Abort(1)


def main() -> None:
    """Run laps until the end."""
    signal.alarm(int(sys.argv[1]))  # it ends the process also where MPI waits
    world = MPI.COMM_WORLD
    nodes = world.gather(MPI.Get_processor_name(), root=0)
    if world.Get_rank() == 0:
        report(rung="start", nodes=nodes)
    number = 0
    while True:
        number += 1
        lap(world, number)
        if world.Get_rank() == 0:
            report(rung="lap", lap=number)
            time.sleep(REST)


main()
