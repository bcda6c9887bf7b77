"""What is on a lab's servers: files of the folders that we write to, mounts, and processes."""

from __future__ import annotations

from farswitch.lab import container
from farswitch.lab.addresses import Lab

PROCESSES = r"""
import os, pathlib
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if process.name == str(os.getpid()):
        continue
    try:
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        print("process", words, len(os.listdir(process / "fd")), "descriptors")
    except OSError:  # it has ended
        continue
"""
"""Runs on a server: prints its processes, each with how much it has open."""
MEASURE = r"""
import os
libvirt = ("/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
for top in ("/etc", "/run", "/root", "/home", "/dev/shm", "/var/lib/farswitch", *libvirt):
    count = size = 0
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            try:
                count, size = count + 1, size + os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # it has gone
                continue
    print(top, count, "files of", size, "bytes")
for line in open("/proc/self/mounts"):
    print("mount", line.strip())
"""


def measure(lab: Lab) -> dict[str, list[str]]:
    return {
        name: sorted(
            container.execute(pid, ["python3", "-"], stdin=MEASURE + PROCESSES).splitlines()
        )
        for name, pid in container.find(lab).items()
    }
