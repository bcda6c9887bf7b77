"""The network namespace that has the far ends of a cluster's plain ports, beside the server's own.

`container` of a program is the number of a process in it, or true: one of the cluster's own, which
`ip netns` shows. Python 3.8 or later.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List  # noqa: UP035 - Python 3.8

CLONE_NEWNET = 0x40000000  # linux/sched.h
HERE = "/proc/self/ns/net"
FOLDER = Path("/run/netns")
"""Where `ip netns` has names; it makes the folder with the first one, and a mount of it."""
FIRST = "first"
"""A file in a mark: ours was the first name."""
Ports = List[Dict[str, Any]]  # noqa: UP006 - Python 3.8


def enter(descriptor: int) -> None:
    """Have this thread, and what it starts, be in a network namespace."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):  # os' is of Python 3.12
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def output_of(*argv: str, given: str = "") -> str:
    """Return what a program printed that must end well."""
    pipe = subprocess.PIPE
    done = subprocess.run(argv, input=given, stdout=pipe, stderr=pipe, text=True, check=False)
    if done.returncode:
        raise OSError(0, f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def interfaces() -> List[str]:  # noqa: UP006 - Python 3.8
    """Return those of the namespace that we are in."""
    return [name for _, name in socket.if_nameindex()]


class PortNamespace:
    """The namespace of a container; the server's own where that is false."""

    def __init__(self, container: Any, cluster: str) -> None:
        self.container, self.own = container, container is True
        self.name = f"farswitch-{cluster}"
        paths = {True: str(FOLDER / self.name), False: HERE}
        self.path = paths.get(container, f"/proc/{container}/ns/net")

    @contextlib.contextmanager
    def entered(self) -> Iterator[str]:
        """Be in it; yield the path of the namespace that we came from."""
        home = os.open(HERE, os.O_RDONLY)
        try:
            there = os.open(self.path, os.O_RDONLY)
            try:
                enter(there)
            finally:
                os.close(there)
            yield f"/proc/{os.getpid()}/fd/{home}"
        finally:
            enter(home)
            os.close(home)

    def make(self, mark: Path) -> str:
        """Make the cluster's own, which a folder marks; return why it cannot be had, if so."""
        path = Path(self.path)
        if not self.own:
            if not path.exists():
                return f"there is no process {self.container}"
            here = self.container and path.samefile(HERE)
            return f"process {self.container} is in the server's own network" if here else ""
        if path.exists() and not mark.is_dir():
            return f"the network namespace '{self.name}' is somebody else's"
        mark.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not FOLDER.exists():
            (mark / FIRST).touch()
        if not path.exists():
            output_of("ip", "netns", "add", self.name)
        output_of("ip", "-n", self.name, "link", "set", "lo", "up")
        return ""

    def has(self, devices: List[str]) -> List[str]:  # noqa: UP006 - Python 3.8
        """Return those of the interfaces that are there, or on the server, from where they go."""
        with self.entered():
            there = interfaces()
        return [device for device in devices if device in {*there, *interfaces()}]

    def take(self, ports: Ports, guard: str) -> None:
        """Have the ports there, mute, and behind the guard's table before they are up."""
        if not self.container:
            return
        with self.entered():
            output_of("nft", "-f", "-", given=guard)
        for port in ports:
            if port["device"] in interfaces():
                output_of("ip", "link", "set", "dev", port["device"], "netns", self.path)
        with self.entered():
            for port in ports:
                change = ("ip", "link", "set", "dev", port["device"])
                with contextlib.suppress(OSError):  # a kernel without IPv6
                    output_of(*change, "addrgenmode", "none")
                output_of(*change, "arp", "off", "up")

    def give_back(self, devices: List[str], table: str) -> None:  # noqa: UP006 - Python 3.8
        """Give interfaces back to the server, of the cluster's own all; that ends."""
        with contextlib.suppress(OSError), self.entered() as home:
            there = interfaces()
            for device in there if self.own else devices:
                with contextlib.suppress(OSError):
                    if device in there and device != "lo":
                        output_of("ip", "link", "set", "dev", device, "netns", home)
            if table:
                output_of("nft", "delete", "table", "inet", table)
        if self.own and Path(self.path).exists():
            output_of("ip", "netns", "del", self.name)

    def unmark(self, mark: Path) -> None:
        """Remove the mark of the cluster's own, and the folder of all names that came with it."""
        first = (mark / FIRST).exists()
        if first:
            with contextlib.suppress(OSError):  # somebody has a name there
                output_of("umount", str(FOLDER))
                FOLDER.rmdir()
        for other in mark.parent.parent.glob(f"*/{mark.name}"):
            if first and other != mark and FOLDER.exists():
                with contextlib.suppress(OSError):  # it ends, too
                    (other / FIRST).touch()
        shutil.rmtree(mark, ignore_errors=True)

    def look(self, ports: Ports, table: str) -> Dict[str, Any]:  # noqa: UP006 - Python 3.8
        """Return the ports' indexes, digests of what must stay, and what is not as it was made."""
        found: Dict[str, Any] = {"indexes": {}, "guard": "", "number": 0, "faults": []}  # noqa: UP006
        try:
            with self.entered():
                found["number"] = os.stat(HERE).st_ino  # noqa: PTH116
                links = {one["ifname"]: one for one in json.loads(output_of("ip", "-j", "link"))}
                text = ""
                with contextlib.suppress(OSError):  # it is not there
                    text = output_of("nft", "-s", "list", "table", "inet", table)
        except OSError:
            return found
        found["guard"] = hashlib.sha256(text.encode()).hexdigest()
        for port in ports:
            name, link = port["device"], links.get(port["device"])
            if link is None:
                continue
            found["indexes"][name] = link["ifindex"]
            if link["mtu"] != port["mtu"]:
                found["faults"].append(f"'{name}' has MTU {link['mtu']} instead of {port['mtu']}")
            if "UP" not in link["flags"]:
                found["faults"].append(f"'{name}' is down")
            elif "NOARP" not in link["flags"]:
                found["faults"].append(f"'{name}' answers ARP")
        return found
