"""Listeners on both servers: whoever changes links, addresses, rules or domains is heard."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container
from farswitch.lab.addresses import Lab

LISTENERS = {
    "ip": "ip monitor all label",
    "fdb": "bridge monitor fdb",
    "nft": "nft monitor",
    "domains": "virsh -q event --all --loop",
    "pools": "virsh -q pool-event --event lifecycle --loop",
}
DOMAIN = """<domain type='qemu'><name>NAME</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64'>hvm</type></os></domain>"""
SOUND = r"""
name=$1; domain=$2
ip link add "$name" type bridge || ip link set "$name" down
ip link set "$name" up
bridge fdb del 02:00:00:00:00:01 dev "$name" self
bridge fdb add 02:00:00:00:00:01 dev "$name" self permanent
nft add table inet "$name"; nft delete table inet "$name"
[ -S /run/libvirt/libvirt-sock ] || exit 0
echo "$domain" >"/tmp/$name"; virsh -q define "/tmp/$name" && virsh -q undefine "$name"
rm "/tmp/$name"
virsh -q pool-define-as "$name" dir --target /tmp && virsh -q pool-undefine "$name"
"""
"""Something that each listener hears: that it listens, and that it heard all before.

The bridge stays until everybody has: a listener that is late could not tell its name any more.
"""

TRAFFIC = (
    r"\[NEIGH\].*",  # who was asked for whose address: logins and guests do that
    r"(Deleted )?([0-9a-f]{2}:){5}[0-9a-f]{2} dev \S+( (master|dst) \S+| self| offload| stale)*",
)
"""What packets that pass, or do not for 300 s, change: neither `permanent` nor `static`."""


class Monitors:
    """What was heard so far, of each listener of each server; use `listening`."""

    def __init__(self, lab: Lab, folder: Path, servers: tuple[str, ...]) -> None:
        found = container.find(lab)
        self.pids = {name: found[name] for name in servers or found}
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        for server, pid in self.pids.items():
            hypervisor = next(one for one in lab.members if one.name == server).hypervisor
            for name, command in LISTENERS.items():
                if hypervisor or "virsh" not in command:
                    self._listen(server, name, pid, command)

    def _listen(self, server: str, name: str, pid: int, command: str) -> None:
        enter = ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "--"]
        with (self.folder / f"{server} {name}").open("wb") as file:
            # A program in the server's process namespace is nsenter's child, and ends with it.
            argv = [*enter, "setpriv", "--pdeathsig", "KILL", "stdbuf", "-oL", *command.split()]
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.processes.append(process)

    def sound(self, name: str) -> None:
        """Make a change of that name, and wait until every listener has heard it."""
        heard: set[Path] = set()

        def everybody() -> bool:
            for pid in self.pids.values():
                script = ["sh", "-c", SOUND, "sound", name, DOMAIN.replace("NAME", name)]
                container.execute(pid, script)
            heard.update(one for one in self.folder.iterdir() if name in one.read_text())
            return len(heard) == len(self.processes)

        try:
            wait_until(everybody, Deadline(20), what=f"The sound '{name}'", interval=0.3)
        finally:
            for pid in self.pids.values():
                container.execute(pid, ["ip", "link", "del", name])

    def rest(self) -> dict[Path, int]:
        """Wait until nothing new is heard, and return how long each listener's text is."""
        last: dict[Path, int] = {}

        def quiet() -> bool:
            nonlocal last
            before, last = last, {one: one.stat().st_size for one in self.folder.iterdir()}
            return before == last

        wait_until(quiet, Deadline(20), what="Silence", interval=0.5)
        return last

    def heard(self, since: dict[Path, int], end: str) -> list[str]:
        """Return what was heard before a sound and was no traffic."""
        found = []
        for file, size in sorted(since.items()):
            for line in file.read_text()[size:].splitlines():
                if end in line:
                    break
                if not is_traffic(line):
                    found.append(f"{file.name}: {line}")
        return found

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def is_traffic(line: str) -> bool:
    return any(re.fullmatch(pattern, line.strip()) for pattern in TRAFFIC)


@contextmanager
def listening(lab: Lab, *servers: str) -> Iterator[list[str]]:
    """Yield a list that has, when the block has ended, what was changed on the servers in it.

    Args:
        lab: Whose servers.
        servers: Only these.
    """
    with tempfile.TemporaryDirectory() as folder:
        monitors = Monitors(lab, Path(folder), servers)
        try:
            said: list[str] = []
            monitors.sound("fsbegin")
            since = monitors.rest()
            yield said
            monitors.sound("fsend")
            said += monitors.heard(since, "fsend")
        finally:
            monitors.close()
