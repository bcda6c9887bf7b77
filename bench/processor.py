"""Processor seconds: what other work on the machine does not change, as it does wall time."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def seconds_of(pid: int) -> float:
    """Return what a process and its threads took (proc(5), stat: fields 14 and 15).

    The name before the fields may hold spaces.
    """
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def domains(names: Collection[str], processes: Path = Path("/proc")) -> Iterator[int]:
    """Find the processes of libvirt's domains, in whatever namespace of this machine.

    They are known by what libvirt gives QEMU: `-name guest=NAME,...`.
    """
    wanted = {f"guest={name}".encode() for name in names}
    for file in processes.glob("[0-9]*/cmdline"):
        try:
            argv = file.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if b"-name" in argv[:-1] and argv[argv.index(b"-name") + 1].split(b",")[0] in wanted:
            yield int(file.parent.name)
