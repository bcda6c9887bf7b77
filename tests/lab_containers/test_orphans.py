"""Teardown without a site, and what nobody needs: found by marks, and nothing else is touched."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connections.wait import Deadline, wait_until
from inventory.model import GROUP_BASE
from lab import container
from lab.addresses import MEMBERS, Lab
from tests.lab.clusters import ClusterUnderTest

pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[2]
SNAPSHOT = (ROOT / "tests/lab/snapshot.py").read_text()
STRAY_VNI = 7001
FOREIGN = """set -e
ip link add fsb9001 type bridge
ip link set fsb9001 alias mine
ip link add fsv9001 type vxlan id 9001 dstport 4789 remote 198.19.255.1
nft 'table inet farswitch_theirs { chain c { tcp dport 1 accept comment "farswitch: not ours"; }; }'
mkdir -p /etc/sysctl.d /var/lib/farswitch.old
echo 'net.ipv4.ip_forward = 0' >/etc/sysctl.d/98-farswitch.conf
"""
FOREIGN_GUEST = """
<domain type='qemu'><name>fsoa-node9</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>
"""
FOREIGN_POOL = """set -e
mkdir -p /srv/theirs
echo disk >/srv/theirs/fsoa.node1.1.qcow2
virsh -q pool-define-as theirs dir --target /srv/theirs
virsh -q pool-start theirs
virsh -q define /dev/stdin
"""
KINDS = {"bridge", "vxlan", "nft table", "file", "journal"}
ON_SERVER1 = KINDS | {"record", "domain", "volume"}


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

    def plant(self, name: str, vni: int) -> None:
        """Make a cluster without guests that run, and lose its site."""
        octet = vni // 1000
        one = ClusterUnderTest(
            name, vni, f"10.9{octet}.1", f"10.9{octet}.2", self.lab, self.folder, size=2
        )
        one.write_site()
        self._run(str(Path(__file__).with_name("plant.py")), str(one.site), str(one.state / "log"))
        shutil.rmtree(one.site)

    def teardown(self, *options: str, servers: tuple[str, ...] = ("server1", "server2")) -> Any:
        """Run a teardown as a user does, and return its document."""
        addresses = {member.name: self.lab.address(member).ip for member in MEMBERS}
        named = [word for one in servers for word in ("--server", f"root@{addresses[one]}")]
        keys = ["--key-file", str(self.lab.key), "--known-hosts", str(self.lab.known_hosts)]
        argv = ("-m", "workflows.teardown", "--json", *options, *named, *keys)
        return json.loads(self._run(*argv))

    def found(self, *options: str, servers: tuple[str, ...] = ("server1", "server2")) -> Any:
        """Return what is listed of each cluster: server's number, kind and name; and why kept."""
        document = self.teardown("--orphans", *options, servers=servers)
        numbers = {str(self.lab.address(one).ip): one.name for one in MEMBERS}
        listed: dict[str, set[tuple[str, str, str]]] = {}
        kept = {}
        for one in document["remains"]:
            place = (numbers[one["server"]], one["kind"], one["name"])
            listed.setdefault(one["cluster"], set()).add(place)
            kept[one["cluster"]] = one["kept"]
        return listed, kept

    def _run(self, *argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv], cwd=ROOT, env=self.environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Desk:
    return Desk(lab, tmp_path)


@pytest.fixture
def foreign(lab: Lab) -> Iterator[None]:
    """What looks like ours on both servers, and bears no mark."""
    for member in MEMBERS:
        inside(lab, member.name, FOREIGN)
    inside(lab, "server1", FOREIGN_POOL, stdin=FOREIGN_GUEST)
    yield
    inside(lab, "server1", "virsh -q undefine fsoa-node9; virsh -q pool-destroy theirs;"
           "virsh -q pool-undefine theirs; rm -r /srv/theirs")  # fmt: skip
    for member in MEMBERS:
        inside(lab, member.name, "ip link del fsb9001; ip link del fsv9001;"
               "nft delete table inet farswitch_theirs; rmdir /var/lib/farswitch.old;"
               "rm /etc/sysctl.d/98-farswitch.conf")  # fmt: skip


def test_a_cluster_goes_without_its_site_and_leaves_nothing(desk: Desk, lab: Lab):
    before = snapshot(lab)
    desk.plant("fsoa", 5001)
    told = desk.teardown("--cluster", "fsoa", "--dry-run")
    assert told["changed"] > 30
    done = desk.teardown("--cluster", "fsoa")
    assert (done["cluster"], done["changed"]) == ("fsoa", told["changed"])
    assert difference(before, snapshot(lab)) == []
    assert desk.teardown("--cluster", "fsoa")["changed"] == 0


def test_only_what_no_cluster_needs_is_removed_and_only_when_asked(
    desk: Desk, lab: Lab, foreign: None
):
    before = snapshot(lab)
    desk.plant("fsob", 6001)
    with_b = snapshot(lab)
    desk.plant("fsoa", 5001)
    inside(lab, "server1", "rm /var/lib/farswitch/clusters/fsoa.json")
    listed, kept = desk.found()
    assert set(listed) == {"fsoa", "fsob", ""}
    assert (kept["fsoa"], kept["fsob"]) == (
        "",
        f"it has a record on '{lab.address(MEMBERS[0]).ip}'",
    )
    assert {(server, kind) for server, kind, _ in listed["fsob"]} == {
        *(("server1", kind) for kind in ON_SERVER1),
        *(("server2", kind) for kind in KINDS),
    }
    names = {name for _, kind, name in listed["fsoa"] if kind in {"bridge", "vxlan", "domain"}}
    assert names == {"fss5001", "fsg5001", "fsb5001", "fsb5002", "fsv5001", "fsv5002",
                     "fsoa-node1", "fsoa-node2"}  # fmt: skip
    assert {kind for _, kind, _ in listed[""]} == {"image"}
    _, kept = desk.found("--remove", servers=("server2",))
    assert "name that server too" in kept["fsoa"]
    assert desk.found()[0] == listed
    desk.found("--remove")
    assert difference(with_b, snapshot(lab)) == []
    assert set(desk.found("--remove")[0]) == {"fsob", ""}
    desk.teardown("--cluster", "fsob")
    assert difference(before, snapshot(lab)) == []


def test_a_link_that_only_its_group_marks_is_an_orphan(desk: Desk, lab: Lab):
    before = inside(lab, "server2", "ip -o link")
    group = GROUP_BASE | STRAY_VNI
    inside(lab, "server2", f"ip link add fss{STRAY_VNI} group {group} type bridge;"
           f"ip link add theirs0 group {group} type bridge")  # fmt: skip
    listed, kept = desk.found("--remove")
    assert listed == {"": {("server2", "bridge", f"fss{STRAY_VNI}")}}
    assert kept == {"": ""}
    inside(lab, "server2", "ip link del theirs0")
    assert inside(lab, "server2", "ip -o link") == before
