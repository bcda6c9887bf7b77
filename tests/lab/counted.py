"""An MPI_Alltoall of known sizes, and what a matrix of it has to be."""

from __future__ import annotations

import json
from typing import Any

BLOCK, ROUNDS = 100_000, 5
ALLTOALL = f"""
import json, socket
from mpi4py import MPI
world = MPI.COMM_WORLD
places = world.allgather(socket.gethostname())
if world.rank == 0:
    print(json.dumps(places))
for _ in range({ROUNDS}):
    sent, taken = bytearray({BLOCK} * world.size), bytearray({BLOCK} * world.size)
    for rank in range(world.size):
        sent[rank * {BLOCK}:(rank + 1) * {BLOCK}] = bytes([16 * world.rank + rank]) * {BLOCK}
    world.Alltoall(sent, taken)
    for rank in range(world.size):
        assert taken[rank * {BLOCK}] == 16 * rank + world.rank
"""
"""Each rank sends each other a block in each round, and looks whether it got the right one.

The first prints on which guests they run.
"""
MORE = 0.25
"""What headers, acknowledgements and the launcher's own traffic may add to the payload."""


def assert_ranks(document: dict[str, Any]) -> None:
    """Fail where the ranks of a matrix ran on other guests."""
    places = json.loads(document["nodes"][0]["stdout"])
    ranks = document["matrix"]["ranks"]
    assert {rank: name for name, own in ranks.items() for rank in own} == dict(enumerate(places))


def assert_exact(found: dict[str, Any], *, payload: int) -> None:
    """Fail where a matrix is not the ports' counters, or a pair has not all of its payload."""
    assert found["steady"]
    assert found["missed"] == {"bytes": 0, "packets": 0}
    for port in found["ports"]:
        assert port["counted"] == port["received"] > 0, port
    sums = dict.fromkeys(found["guests"], 0)
    for pair in found["pairs"]:
        assert pair["from"] == pair["port"]
        sums[pair["port"]] += pair["bytes"]
    assert sums == {port["guest"]: port["received"] for port in found["ports"]}
    cells = {(pair["from"], pair["to"]): pair["bytes"] for pair in found["pairs"]}
    for sender in found["guests"]:
        for receiver in found["guests"]:
            if sender != receiver and payload:
                assert payload < cells[sender, receiver] < payload * (1 + MORE) + 200_000
