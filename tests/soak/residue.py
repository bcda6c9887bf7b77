"""All that could pile up on the servers of a lab: descriptors, processes, mounts and bytes."""

from __future__ import annotations

import os
from pathlib import Path

from farswitch.lab import container
from farswitch.lab.addresses import Lab
from tests.lab_containers.measured import PROCESSES

INSIDE = r"""
import os
for line in sorted(open("/proc/self/mounts")):
    device, place, kind, *_ = line.split()
    print("mount", line.strip())
    if kind != "tmpfs":
        continue
    for folder, _, names in os.walk(place):
        if folder == place or os.lstat(folder).st_dev == os.lstat(place).st_dev:
            for name in names:
                found = os.lstat(os.path.join(folder, name))
                print("file", os.path.join(folder, name), found.st_size, 512 * found.st_blocks)
"""
"""Runs on a server: its mounts, and the files that it has in memory."""


def measure(lab: Lab) -> dict[str, list[str]]:
    """Return all that is counted on each server, one thing a line.

    Of its disk only what the server itself has written counts: the layer that lies above this
    machine's files, in which others write too. Folders themselves do not count, because a file
    system keeps the blocks of one that was once long. What a server's sshd, libvirtd and boot say
    is in a log outside of it (`Lab.log`), which counts no more than a real server's syslog.
    """
    found = {}
    for name, pid in container.find(lab).items():
        said = container.execute(pid, ["python3", "-"], stdin=INSIDE + PROCESSES, timeout=60.0)
        member = next(one for one in lab.members if one.name == name)
        found[name] = sorted([*said.splitlines(), *files(lab.storage(member) / "upper")])
    return found


def files(top: Path) -> list[str]:
    """Return every file below a folder with its bytes, and those that it takes on the disk."""
    lines = []
    for folder, _, names in os.walk(top):
        for path in (Path(folder, name) for name in names):
            found = path.lstat()
            lines.append(f"file {path} {found.st_size} {512 * found.st_blocks}")
    return sorted(lines)
