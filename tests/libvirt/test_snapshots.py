"""Snapshots of guests on a real libvirtd and QEMU: taken, reverted, cut off, forgotten, removed."""

from __future__ import annotations

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Host, Hosts, Inventory
from nornir.core.processor import Processors
from nornir.core.task import Task
from nornir.plugins.runners import SerialRunner

from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.snapshots import SnapshotState
from farswitch.deadline import Deadline, wait_until
from farswitch.guests.snapshots import (
    SnapshotAbout,
    carry_on,
    cluster_snapshots,
    let_go,
    needs_seed,
)
from farswitch.rollback.timer import RESTORE, SAVE
from tasks import snapshot_restore
from tasks.hold import hold
from tasks.snapshot import snapshot
from tasks.snapshot_look import snapshot_look
from tests.libvirt.small_cluster import POOL_PATH, SmallCluster

pytestmark = pytest.mark.root


class Saved:
    """Two guests that run, and what the tasks do to them."""

    def __init__(self, made: SmallCluster) -> None:
        self.made, self.server = made, made.server
        made.build()
        self.guests = made.cluster.guests
        self.hypervisor = made.server.hypervisor

    def task(self, host: Host) -> Task:
        nornir = Nornir(Inventory(Hosts({host.name: host})), runner=SerialRunner())
        made = Task(hold, nornir, global_dry_run=False, processors=Processors())
        made.host = host
        return made

    def hold(self, kind: str, undo: str = "", **more):
        host = self.made.host
        return hold(
            self.task(host), self.guests, self.made.cluster.owner, kind, undo, **more
        ).result

    def part(self, name: str = "one", save: str = "a", **more) -> list[str]:
        nodes = tuple(guest.name for guest in self.guests)
        about = SnapshotAbout(cluster="lab", nodes=nodes, save=save).model_dump_json()
        done = (
            snapshot(self.task(Host(guest.name)), guest, self.made.host, name, about, **more)
            for guest in self.guests
        )
        return [one.diff for one in done]

    def look(self):
        owner = self.made.cluster.owner
        return snapshot_look(self.task(self.made.host), self.guests, owner).result

    @property
    def whole(self) -> list[tuple[str, str]]:
        return [(one.name, one.refusal) for one in cluster_snapshots(self.look(), "lab")]

    @property
    def states(self) -> list[str]:
        return [self.hypervisor.domain(guest.domain).state for guest in self.guests]

    @property
    def kept(self) -> dict[str, SnapshotState]:
        return {name: look.parts[0] for name, look in self.look().items()}

    def revert(self, kept: dict[str, SnapshotState]) -> None:
        for guest in self.guests:
            seed = needs_seed(kept[guest.name])
            task = self.task(Host(guest.name))
            snapshot_restore.snapshot_restore(task, guest, self.made.host, "one", seed=seed)

    def processes(self) -> list[str]:
        return [
            self.server.sh(f"cat /run/libvirt/qemu/{guest.domain}.pid") for guest in self.guests
        ]


@pytest.fixture
def saved(cluster) -> Saved:
    return Saved(cluster(guests=2))


def test_guests_that_stand_still_are_kept_and_come_back_standing_still(saved):
    assert saved.hold(SAVE, "exit 1")
    assert saved.states == ["paused"] * 2
    assert saved.part() == [f"+ snapshot one of lab-{name}" for name in ("node1", "node2")]
    assert saved.hold(SAVE, present=False)
    assert saved.states == ["running"] * 2
    assert saved.whole == [("one", "")]
    modes = saved.server.sh(f"stat -c %a {POOL_PATH}/lab.node*.qcow2")
    assert modes.split() == ["600"] * 2

    before = saved.processes()
    saved.hypervisor.destroy("lab-node2")
    kept = saved.kept
    assert saved.hold(RESTORE, "exit 1")
    saved.revert(kept)
    assert saved.states == ["paused"] * 2
    assert saved.hold(RESTORE, present=False)
    assert saved.states == ["running"] * 2
    assert set(saved.processes()).isdisjoint(before)
    seeds = saved.server.sh(f"find {POOL_PATH} -name '*seed*'")
    assert seeds == "", "what stood in for a seed is gone"
    assert saved.made.build() == [], "the definitions are as before"
    assert saved.whole == [("one", "")]


def test_a_save_that_is_cut_off_leaves_nothing_and_all_go_on(saved):
    saved.hold(SAVE, let_go(saved.guests, "one"), seconds=3)
    first = saved.guests[:1]
    saved.guests, both = first, saved.guests
    saved.part()
    saved.guests = both
    assert saved.whole == [], "the look waits for the server's own end of it"
    assert saved.states == ["running"] * 2


def test_a_restore_that_is_cut_off_is_brought_to_its_end(saved):
    saved.part()
    kept, before = saved.kept, saved.processes()
    saved.hold(RESTORE, carry_on(saved.guests, kept, POOL_PATH), seconds=1)
    saved.hypervisor.destroy("lab-node1")
    assert saved.whole == [("one", "")]
    assert saved.states == ["running"] * 2
    assert set(saved.processes()).isdisjoint(before)
    assert saved.server.sh(f"find {POOL_PATH} -name '*seed*'") == ""


def test_a_server_that_let_them_go_on_is_told(saved):
    saved.hold(SAVE, let_go(saved.guests, "one"), seconds=1)
    wait_until(lambda: saved.states == ["running"] * 2, Deadline(60), what="The server's own end")
    assert not saved.hold(SAVE, present=False)


def test_one_of_another_save_is_refused_and_goes(saved):
    saved.part(save="a")
    saved.hypervisor.delete_snapshot("lab-node2", "one")
    with pytest.raises(LibvirtError, match="already exists"):
        saved.part(save="b")
    assert saved.whole[0][1].startswith("node2 is not in it")
    assert saved.part(present=False) == ["- snapshot one of lab-node1", ""]
    assert saved.whole == []


def test_one_of_a_disk_that_was_replaced_is_named_and_goes(saved):
    saved.part()
    saved.hypervisor.destroy("lab-node2")
    saved.server.sh(f"rm {POOL_PATH}/lab.node2.1.qcow2")
    saved.made.build()
    assert saved.whole == [("one", "node2 has another disk now")]
    saved.part(present=False)
    assert saved.whole == []


def test_a_users_own_is_not_ours(saved):
    saved.server.sh("virsh -q snapshot-create-as lab-node1 one")
    assert saved.whole == []
    saved.part()
    saved.part(present=False)
    assert saved.server.sh("virsh -q snapshot-list lab-node1 --name") == "one"


def test_a_teardown_takes_them_along(before, cluster):
    saved = Saved(cluster(guests=2))
    saved.part()
    saved.made.teardown()
    assert saved.server.state() == before


def test_a_dry_run_keeps_and_removes_nothing(saved):
    assert saved.part(dry_run=True) == [f"+ snapshot one of lab-node{n}" for n in (1, 2)]
    assert saved.whole == []
    saved.part()
    saved.part(present=False, dry_run=True)
    assert saved.whole == [("one", "")]
