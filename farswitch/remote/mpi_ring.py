"""Send a message around all ranks and back, at several sizes, and say in JSON how it went.

Usage: mpiexec -n N python3 ring.py SIZE [SIZE ...]   (sizes in bytes)
"""

from __future__ import annotations

import json
import sys

from mpi4py import MPI


def lap(world: MPI.Intracomm, size: int) -> dict[str, object]:
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
    intact = received == message
    return {"bytes": size, "seconds": seconds, "intact": intact}


def main() -> None:
    """Run the laps and print one line of JSON on rank 0."""
    world = MPI.COMM_WORLD
    nodes = world.gather(MPI.Get_processor_name(), root=0)
    laps = [lap(world, int(size)) for size in sys.argv[1:]]
    everywhere = world.gather(all(one["intact"] for one in laps), root=0)
    if world.Get_rank() == 0:
        print(json.dumps({"nodes": nodes, "laps": laps, "intact": all(everywhere)}))


if __name__ == "__main__":
    main()
