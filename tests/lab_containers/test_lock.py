"""Two runs at once on real servers: of one cluster, of two, and of two in each other's way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farswitch.connections.fence import Fence
from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lock.locks import Locks
from farswitch.lock.messages import LockHolder
from farswitch.lock.reserved import Reserved
from tests.lab.clusters import ClusterUnderTest
from tests.lab_containers.desk import Desk, difference, inside, snapshot

pytestmark = pytest.mark.root
BUILD = LockHolder(
    cluster="fsoa",
    workflow="build",
    user="me",
    host="desk",
    pid="4711",
    reserved=Reserved(vnis=(5001, 5002), networks=()),
)


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Desk:
    return Desk(lab, tmp_path)


@pytest.fixture
def held(lab: Lab) -> Iterator[None]:
    """Another run, which builds cluster 'fsoa' with the VNIs 5001 and 5002."""
    address = str(lab.address(MEMBERS[0]).ip)
    shell = SshShell(Target("server1", address, known_hosts=(lab.known_hosts,), key_file=lab.key))
    locks = Locks(Fence(), BUILD)
    locks.take(shell)
    yield
    locks.release()
    shell.close()


@pytest.mark.parametrize("workflow", ["build", "teardown"])
def test_the_second_run_names_the_first_within_five_seconds_and_touches_nothing(
    desk: Desk, lab: Lab, held: None, workflow: str
):
    site = str(desk.site("fsoa", 5001))
    before = snapshot(lab)
    load, began = os.getloadavg()[0], time.monotonic()
    done = desk.run("-m", f"workflows.{workflow}", "--site", site, "--json")
    assert time.monotonic() - began < 5 * max(1.0, load / (os.cpu_count() or 1))
    (failure,) = json.loads(done.stdout)["failures"]
    assert done.returncode == 1
    assert "build of me@desk (pid 4711) since 20" in failure["error"]
    assert difference(before, snapshot(lab)) == []


def test_a_dry_run_tells_who_builds_and_goes_on(desk: Desk, held: None):
    site = str(desk.site("fsoa", 5001))
    done = desk.run("-m", "workflows.teardown", "--site", site, "--dry-run")
    assert done.returncode == 0
    assert "Under way at the same time: build of me@desk (pid 4711)" in done.stdout


def test_a_cluster_in_the_way_of_one_that_is_being_built_is_refused(
    desk: Desk, lab: Lab, held: None
):
    site = str(desk.site("fsob", 5002))
    done = desk.run("-m", "workflows.build", "--site", site)
    assert done.returncode == 2
    assert "cluster 'fsoa', which another run works on, has VNIs 5001 to 5002 too" in done.stderr
    assert inside(lab, "server1", "ls /run/farswitch").split() == ["fsoa.lock"]


def test_two_clusters_come_and_go_side_by_side(desk: Desk, lab: Lab):
    before = snapshot(lab)
    names = ("fsoa", "fsob")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(desk.plant, names, (5001, 6001)))
        gone = list(pool.map(lambda name: desk.teardown("--cluster", name), names))
    assert all(one["changed"] > 20 for one in gone)
    assert difference(before, snapshot(lab)) == []


def test_a_cluster_in_the_way_of_one_that_stands_is_refused(desk: Desk, lab: Lab):
    """Its data network is on no interface of a server: the record tells."""
    desk.plant("fsoa", 5001)
    taken = ClusterUnderTest("fsob", 6001, "10.95.1", "10.96.2", lab, desk.folder, size=2)
    taken.write_site()
    before = snapshot(lab)
    done = desk.run("-m", "workflows.build", "--site", str(taken.site))
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "Cluster 'fsoa', which stands on 'server1', has 10.95.1.0/24 too." in said, said
    assert difference(before, snapshot(lab)) == []
    desk.teardown("--cluster", "fsoa")
