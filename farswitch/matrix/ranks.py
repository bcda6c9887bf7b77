"""On which guest each rank of an MPI job runs, as far as its command line says; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

LAUNCHERS = frozenset({"mpiexec", "mpiexec.mpich", "mpiexec.hydra", "mpirun", "mpirun.mpich"})
VALUES = {"-n": 1, "-np": 1, "-hosts": 1, "-env": 2, "-genv": 2, "-l": 0, "-prepend-rank": 0}
"""How many values follow an option of MPICH's launcher; others may place ranks in other ways."""


def ranks_of(line: str, guests: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the ranks of each guest that has some; nothing where the line does not say it.

    MPICH deals ranks out to the hosts in turn: those of -hosts, else of the cluster's hostfile.

    Args:
        line: The command.
        guests: Their data addresses by their names, in the order of the hostfile.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return {}
    if not words or words[0].rpartition("/")[2] not in LAUNCHERS or ":" in words:
        return {}
    options = _options(words[1:])
    count = options.get("-n") or options.get("-np") or ""
    hosts = options.get("-hosts", "")
    names = {address: name for name, address in guests.items()} | {name: name for name in guests}
    places = [names.get(host, "") for host in hosts.split(",")] if hosts else list(guests)
    if not count.isdecimal() or "" in places:
        return {}
    return dealt(int(count), places)


def _options(words: Sequence[str]) -> dict[str, str]:
    """Return the launcher's options with their first values; nothing where one is not known."""
    found: dict[str, str] = {}
    place = 0
    while place < len(words) and words[place].startswith("-"):
        option = words[place]
        if option not in VALUES:
            return {}
        found[option] = words[place + 1] if VALUES[option] and place + 1 < len(words) else ""
        place += 1 + VALUES[option]
    return found


def dealt(count: int, places: Sequence[str]) -> dict[str, list[int]]:
    """Return ranks dealt out to places in turn."""
    found: dict[str, list[int]] = {}
    for rank in range(count):
        found.setdefault(places[rank % len(places)], []).append(rank)
    return found
