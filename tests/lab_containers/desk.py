"""A controller beside a lab: it plants clusters, loses their sites, and looks at the servers."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container
from farswitch.lab.addresses import MEMBERS, Lab
from tests.lab.clusters import ClusterUnderTest, assert_quiet, logs

ROOT = Path(__file__).parents[2]
SNAPSHOT = (ROOT / "tests/lab/snapshot.py").read_text()


def inside(lab: Lab, server: str, script: str, stdin: str = "") -> str:
    pid = container.find(lab)[server]
    return container.execute(pid, ["sh", "-c", script], stdin=stdin, timeout=60.0)


def snapshot(lab: Lab) -> list[str]:
    for member in MEMBERS:  # a search for duplicate addresses ends by itself
        wait_until(
            lambda name=member.name: not inside(lab, name, "ip -6 -o address show tentative"),
            Deadline(30),
            what=f"The end of the search for duplicate addresses on '{member.name}'",
        )
    return [
        f"{name}: {line}"
        for name, pid in container.find(lab).items()
        for line in container.execute(
            pid, ["python3", "-"], stdin=SNAPSHOT, timeout=120.0
        ).splitlines()
    ]


def difference(before: list[str], after: list[str]) -> list[str]:
    lines = difflib.unified_diff(before, after, lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


class Desk:
    """A controller that has no site: only the servers' addresses and a key."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}

    def site(self, name: str, vni: int) -> Path:
        """Write a site of two guests."""
        nets = (f"10.9{vni // 1000}.{number}" for number in (1, 2))
        one = ClusterUnderTest(name, vni, *nets, self.lab, self.folder, size=2)
        one.write_site()
        return one.site

    def plant(self, name: str, vni: int) -> None:
        """Make a cluster without guests that run, and lose its site."""
        site = self.site(name, vni)
        self._run(str(Path(__file__).with_name("plant.py")), str(site), str(site / "log"))
        shutil.rmtree(site)

    def teardown(self, *options: str) -> Any:
        """Run a teardown as a user does, without a site, and return its document."""
        return self._on_servers("teardown", *options)

    def found(self, *options: str, servers: tuple[str, ...] = ("server1", "server2")) -> Any:
        """Return what is listed of each cluster: server's number, kind and name; and why kept."""
        document = self._on_servers("orphans", *options, servers=servers)
        numbers = {str(self.lab.address(one).ip): one.name for one in MEMBERS}
        listed: dict[str, set[tuple[str, str, str]]] = {}
        kept = {}
        for one in document["remains"]:
            place = (numbers[one["server"]], one["kind"], one["name"])
            listed.setdefault(one["cluster"], set()).add(place)
            kept[one["cluster"]] = one["kept"]
        return listed, kept

    def _on_servers(
        self, command: str, *options: str, servers: tuple[str, ...] = ("server1", "server2")
    ) -> Any:
        addresses = {member.name: self.lab.address(member).ip for member in MEMBERS}
        named = [word for one in servers for word in ("--server", f"root@{addresses[one]}")]
        keys = ["--key-file", str(self.lab.key), "--known-hosts", str(self.lab.known_hosts)]
        argv = ("-m", f"workflows.{command}", "--json", *options, *named, *keys)
        return json.loads(self._run(*argv))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of the project's programs."""
        return subprocess.run(
            [sys.executable, *argv], cwd=ROOT, env=self.environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def _run(self, *argv: str) -> str:
        before = logs(self.folder)
        done = self.run(*argv)
        assert done.returncode == 0, done.stdout + done.stderr
        assert_quiet(self.folder, before)
        return done.stdout
