"""Which of a hypervisor's processors, and which of its memory, are its guests' alone.

A site writes processors as Linux's cpuset does (cpuset(7), "List format"): `2-5,8`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count, groupby
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator

from farswitch.model.field_types import Fields, Flag, number, refuse_if

CPU_MAX = 8191
"""The highest number of a processor (NR_CPUS of Linux on x86_64 is 8192 at most)."""
NODE_MAX = 1023
"""The highest number of a NUMA node (NODES_SHIFT of Linux is 10 at most)."""
_LIST = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")


def parse_cpus(value: object) -> tuple[int, ...]:
    """Return the processors of a list, in its order, each once; none for null."""
    if isinstance(value, tuple) or value is None:
        return value or ()
    text = str(value) if type(value) is int else value
    refuse_if(not isinstance(text, str) or not _LIST.fullmatch(text))
    cpus: list[int] = []
    for part in str(text).split(","):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        refuse_if(not numbers or numbers[-1] > CPU_MAX)
        cpus += numbers
    refuse_if(len(set(cpus)) < len(cpus))
    return tuple(cpus)


def written_cpus(cpus: Iterable[int]) -> str:
    """Return processors as a list; those that follow each other are a range."""
    step = count()
    runs = (list(run) for _, run in groupby(cpus, lambda cpu: cpu - next(step)))
    return ",".join(f"{run[0]}-{run[-1]}" if run[1:] else str(run[0]) for run in runs)


Cpus = Annotated[
    tuple[int, ...],
    PlainValidator(parse_cpus),
    PlainSerializer(lambda cpus: written_cpus(cpus) or None),
    Field(title="processors by their numbers, each once, as 2-5,8"),
]


class Pin(Fields):
    """`data.pin`: what of each hypervisor is for its guests alone."""

    vcpus: Cpus = ()
    """processors of each hypervisor, dealt out to its guests in their order: one for each of
    `vcpus`, so that no two guests have one together"""
    emulator: Cpus = ()
    """processors of each hypervisor for what QEMU does beside its guests' processors, as the
    packets of their NICs"""
    numa: Annotated[int, number(0, NODE_MAX)] | None = None
    """the NUMA node of each hypervisor that all memory of its guests is from"""
    hugepages: Flag = False
    """`true`: the guests' memory is huge pages, which you have reserved on each hypervisor"""

    def of(self, place: int, vcpus: int) -> tuple[int, ...]:
        """Return the processors of the guest at a place on its hypervisor, from 0 on."""
        return self.vcpus[place * vcpus : (place + 1) * vcpus]
