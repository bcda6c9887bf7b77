"""An Open vSwitch of a test's own, in a machine with its own /etc, /run and /var/lib."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until

DATABASE, SOCKET = "/etc/openvswitch/conf.db", "/run/openvswitch/db.sock"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
QUIET = ("--pidfile", "-vconsole:off", "-vsyslog:off")
TSO = {"op": "insert", "table": "Open_vSwitch",
       "row": {"other_config": ["map", [["userspace-tso-enable", "true"]]]}}  # fmt: skip
needs_openvswitch = pytest.mark.skipif(
    shutil.which("ovs-vsctl") is None, reason="Open vSwitch is not installed here."
)


@dataclass
class OwnOpenVSwitch:
    """Its two daemons, by their names; what is not there does not run."""

    box: LocalShell
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        argv = [*self.box.prefix, name, *words, *QUIET]
        self.running[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        self.wait(name)

    def start_both(self) -> None:
        self.start("ovsdb-server", DATABASE, f"--remote=punix:{SOCKET}")
        self.start("ovs-vswitchd", f"unix:{SOCKET}")

    def wait(self, name: str) -> None:
        argv = ("ovs-appctl", "-T", "2", "-t", name, "version")
        wait_until(
            lambda: self.box.run(argv, check=False).status == 0,
            Deadline(10),
            what=f"An answer of {name}",
            interval=0.02,
        )

    def kill(self, *names: str) -> None:
        for name in names or tuple(self.running):
            process = self.running.pop(name)
            process.kill()
            process.wait()

    def vsctl(self, *words: str) -> str:
        return self.box.run(("ovs-vsctl", "--timeout=10", *words)).stdout.strip()

    def ids(self, table: str, name: str) -> dict[str, str]:
        """Return the external_ids of a row, as another tool than ours prints them."""
        printed = self.vsctl("--format=json", "--columns=external_ids", "list", table, name)
        ((_, pairs),) = json.loads(printed)["data"][0]
        return dict(pairs)

    def ports(self, bridge: str) -> list[str]:
        return self.vsctl("list-ports", bridge).split()


@contextmanager
def own_openvswitch(box: LocalShell, *, tso: bool) -> Iterator[OwnOpenVSwitch]:
    """Run one, and end it."""
    box.run(("mkdir", "-p", "/run/openvswitch", "/var/lib/openvswitch"))
    box.run(("ovsdb-tool", "create", DATABASE, SCHEMA))
    if tso:
        box.run(("ovsdb-tool", "transact", DATABASE, json.dumps(["Open_vSwitch", TSO])))
    own = OwnOpenVSwitch(box)
    try:
        own.start_both()
        yield own
    finally:
        own.kill()
