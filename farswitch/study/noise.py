"""The noise gate: is the host quiet enough for a run to mean anything?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farswitch.study.results import HostLoad

LEAST_IDLE = 0.80
"""Share of the processors' time that must be free before a run, guests at rest included."""
MOST_STEAL = 0.01
"""Share that a machine above may take."""


def noise(loads: Mapping[str, HostLoad], vcpus: Mapping[str, int]) -> Iterator[str]:
    """Yield what is too busy on each server, in a sentence each.

    `vcpus` has the virtual processors of all guests on each hypervisor.
    """
    for server, load in loads.items():
        if load.idle < LEAST_IDLE:
            yield f"'{server}' is {load.idle:.0%} idle, wanted {LEAST_IDLE:.0%}."
        if load.steal > MOST_STEAL:
            yield f"'{server}' is deprived of {load.steal:.1%}, wanted {MOST_STEAL:.0%} at most."
        if vcpus.get(server, 0) > load.cores:
            yield (
                f"'{server}' has {load.cores} processors for {vcpus[server]} of its guests': "
                "they wait for each other."
            )
