"""Storage and domains that somebody changed by hand, behind libvirt's back or by virsh.

Each build brings back what is missing or names it, and each teardown leaves what was there before.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farswitch.connections.libvirt import pools
from farswitch.errors import FarswitchError, ForeignObjectError
from tests.libvirt.libvirtd import Server
from tests.libvirt.small_cluster import BASE, DISK1, NODE1, POOL_PATH, SmallCluster

pytestmark = pytest.mark.root

OFF = f"virsh -q destroy {NODE1};"
STOP = "virsh -q pool-destroy farswitch;"
UPLOAD, POOL = f"+ volume {BASE}", "+ pool farswitch"
REPLACE = [f"~ domain {NODE1} (replace)"]
MENDED = [
    pytest.param(f"rm {BASE}", [UPLOAD], id="base-image-removed"),
    pytest.param(f"rm {BASE} {BASE}.farswitch", [UPLOAD], id="base-image-and-sidecar-removed"),
    pytest.param(f"mv {BASE} /srv/x; rm /srv/x", [UPLOAD], id="base-image-moved-away"),
    pytest.param(f"truncate -s 0 {BASE}", [UPLOAD], id="base-image-emptied"),
    pytest.param(f"truncate -s 70000 {BASE}", [UPLOAD], id="base-image-cut"),
    pytest.param(f"rm {BASE}; mkdir {BASE}; rmdir {BASE}", [UPLOAD], id="a-folder-came-and-went"),
    pytest.param(f"{OFF} rm {DISK1}", REPLACE, id="disk-removed"),
    pytest.param(STOP, [POOL], id="pool-stopped"),
    pytest.param(f"{STOP} virsh -q pool-undefine farswitch", [POOL], id="pool-undefined"),
    pytest.param("virsh -q pool-autostart farswitch --disable", [POOL], id="pool-not-autostarted"),
    pytest.param("rm .farswitch", [], id="mark-of-the-folder-removed"),
    pytest.param(
        f"virsh -q undefine {NODE1}", [f"~ domain {NODE1} (redefine)"], id="undefined-and-runs"
    ),
    pytest.param(
        f"virsh -q destroy {NODE1}; virsh -q undefine {NODE1}",
        [f"+ domain {NODE1} (create)"],
        id="undefined-and-off",
    ),
    pytest.param(f"virsh -q suspend {NODE1}", [f"~ domain {NODE1} (start)"], id="domain-paused"),
    pytest.param(f"virsh -q managedsave {NODE1}", [f"~ domain {NODE1} (start)"], id="domain-saved"),
    pytest.param(f"virsh -q snapshot-create-as {NODE1} one", [], id="domain-with-snapshot"),
    pytest.param(
        f"{OFF} qemu-img amend -qo compat=1.1 {DISK1}; virsh -q start {NODE1}; "
        f"virsh -q checkpoint-create-as {NODE1} one",
        [],
        id="domain-with-checkpoint",
    ),
    pytest.param(f"virsh -q autostart {NODE1}", [], id="domain-autostarted"),
]
DISK_AND_MARK_GONE = [
    pytest.param(f"{OFF} rm {DISK1} {DISK1}.farswitch", [], id="disk-and-sidecar-removed"),
    pytest.param(f"{OFF} cd /; rm -r {POOL_PATH}", [POOL, UPLOAD], id="folder-removed"),
    pytest.param(
        f"{OFF} {STOP} cd /; rm -r {POOL_PATH}", [POOL, UPLOAD], id="folder-of-stopped-pool"
    ),
    pytest.param(f"{OFF} rm *", [UPLOAD], id="folder-emptied"),
]
"""So it also looks where the folder's file system is not mounted."""


@pytest.fixture
def built(cluster: Callable[..., SmallCluster], before: list[str]) -> SmallCluster:
    small = cluster()
    assert small.preflight() == []
    assert small.build() == [POOL, UPLOAD, f"+ domain {NODE1} (create)"]
    return small


def by_hand(server: Server, script: str) -> None:
    server.sh(f"cd {POOL_PATH}; {script}")


@pytest.mark.parametrize(("script", "lines"), MENDED)
def test_a_build_brings_back_what_was_changed_and_a_teardown_leaves_nothing(
    built, server, before, script, lines
):
    by_hand(server, script)
    assert built.preflight() == []
    assert built.build(dry=True)[:1] == lines[:1]
    assert built.build() == lines
    assert built.build() == []
    running = [state.name for state in server.hypervisor.list_domains() if state.active]
    assert running == [NODE1]
    assert all(state.persistent for state in server.hypervisor.list_domains())
    built.teardown()
    assert server.state() == before


@pytest.mark.parametrize(("script", "lines"), DISK_AND_MARK_GONE)
def test_a_disk_that_is_gone_with_its_mark_is_replaced_only_when_told(
    built, server, before, script, lines
):
    by_hand(server, script)
    if POOL not in lines:  # a dry run cannot see into a pool that is not started
        with pytest.raises(FarswitchError, match=r"disk of guest 'node1'.* is gone with its mark"):
            built.build(dry=True)
    with pytest.raises(FarswitchError, match=f"{DISK1} on 'server1'") as why:
        built.build()
    assert f"on 'server1', virsh undefine {NODE1}; then" in why.value.hint
    assert [one.name for one in server.hypervisor.list_domains()] == [NODE1], "as it was"
    server.sh(f"virsh -q undefine {NODE1}")
    assert built.build() == [f"+ domain {NODE1} (create)"], f"the build before made {lines}"
    built.teardown()
    assert server.state() == before


TORN_DOWN = [
    "base-image-removed",
    "disk-removed",
    "pool-stopped",
    "pool-undefined",
    "folder-removed",
    "folder-of-stopped-pool",
    "folder-emptied",
    "mark-of-the-folder-removed",
    "undefined-and-runs",
    "domain-saved",
    "domain-with-snapshot",
    "domain-with-checkpoint",
]


@pytest.mark.trial
@pytest.mark.parametrize("site", [True, False], ids=["site", "no-site"])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(one.values[0], id=one.id)
        for one in (*MENDED, *DISK_AND_MARK_GONE)
        if one.id in TORN_DOWN
    ],
)
def test_a_teardown_of_what_was_changed_leaves_nothing(built, server, before, script, site):
    by_hand(server, script)
    announced = built.teardown(dry=True, site=site)
    assert built.teardown(site=site)[: len(announced)] == announced
    assert server.state() == before
    assert built.teardown(site=site) == []


def test_libvirtd_was_restarted(built, server, before):
    server.restart()
    assert built.build() == []
    server.restart()
    built.teardown()
    assert server.state() == before


def test_a_disk_that_was_removed_under_a_running_guest_is_named(built, server, before):
    by_hand(server, f"rm {DISK1}")
    for dry in (True, False):
        with pytest.raises(FarswitchError, match=r"The disk of guest 'node1'.* was removed") as why:
            built.build(dry=dry)
    assert f"on 'server1': virsh destroy {NODE1}." in why.value.hint
    server.sh(f"virsh -q destroy {NODE1}")
    assert built.build() == REPLACE
    built.teardown()
    assert server.state() == before


@pytest.mark.parametrize("content", ["", f"; touch {BASE}/notes"], ids=["empty", "full"])
def test_a_folder_in_the_base_images_place_is_named_and_stays(built, server, content):
    by_hand(server, f"rm {BASE}; mkdir {BASE}{content}")
    with pytest.raises(ForeignObjectError, match=BASE) as why:
        built.build()
    remedy = why.value.hint.removeprefix("Move it away: ")
    server.sh(remedy)
    assert built.build() == [UPLOAD]
    built.teardown()
    assert server.sh(f"ls {POOL_PATH}") == f"{BASE}.old"
    server.sh(f"rm -r {POOL_PATH}")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo data >theirs.img", id="file"),
        pytest.param("mkdir -p lost+found/deep", id="folder"),
        pytest.param("mkfifo theirs", id="fifo"),
        pytest.param("ln -s /nowhere theirs", id="dangling-link"),
        pytest.param("touch .hidden", id="hidden"),
        pytest.param("touch 'with space' ./-rf", id="odd-names"),
        pytest.param("touch lab.node1.9.qcow2", id="name-like-ours"),
        pytest.param("qemu-img create -qf qcow2 theirs.qcow2 1M", id="disk"),
        pytest.param(
            f"virsh -q snapshot-create-as {NODE1} one --disk-only", id="external-snapshot"
        ),
    ],
)
def test_files_that_others_put_into_the_folder_stay_with_it(built, server, before, script):
    by_hand(server, script)
    theirs = [line for line in server.state() if "/farswitch/" in line and BASE not in line]
    theirs = [line for line in theirs if ".1.qcow2" not in line and "/.farswitch " not in line]
    assert len(theirs) >= 1
    assert built.build() == []
    built.teardown()
    left = [line for line in server.state() if line not in before]
    assert [line for line in left if "/farswitch/" in line] == theirs
    assert len(left) == len(theirs) + 1, "their folder"
    assert built.teardown() == []
    server.sh(f"rm -r {POOL_PATH}")


def test_a_file_of_others_under_the_name_of_a_new_disk_is_named(before, cluster, server):
    small = cluster()
    server.sh(f"mkdir {POOL_PATH}; echo data >{POOL_PATH}/{DISK1}")
    small.build_image()
    (obstacle,) = small.preflight()
    assert obstacle.foreign
    assert f"{POOL_PATH}/{DISK1} on 'server1' has the name of one of our volumes" in obstacle.what
    server.sh(obstacle.remedy.removeprefix("On 'server1': "))
    assert small.preflight() == []
    small.build()
    small.teardown()
    assert server.sh(f"cat {POOL_PATH}/{DISK1}.old") == "data"
    server.sh(f"rm -r {POOL_PATH}")


def test_a_domain_that_was_renamed_is_named_and_the_remedy_helps(built, server, before):
    server.sh(f"virsh -q destroy {NODE1}; virsh -q domrename {NODE1} mine")
    (obstacle,) = built.preflight()
    assert "Domain 'mine' on 'server1' is guest 'node1' of cluster 'lab'" in obstacle.what
    server.sh(obstacle.remedy.rpartition(": ")[2])
    assert built.preflight() == []
    assert built.build() == [f"~ domain {NODE1} (start)"]
    built.teardown()
    assert server.state() == before


@pytest.mark.parametrize("site", [True, False], ids=["site", "no-site"])
def test_a_teardown_finds_domains_under_any_name(built, server, before, site):
    # A copy as virt-clone makes it has the metadata of what it copies.
    server.sh(
        f"virsh dumpxml {NODE1} --inactive | sed -e '/<uuid>/d' -e '/<mac /d' "
        f"-e 's,<name>.*,<name>copy</name>,' >/srv/copy.xml; virsh -q define /srv/copy.xml; "
        "rm /srv/copy.xml"
    )
    server.sh(f"virsh -q destroy {NODE1}; virsh -q domrename {NODE1} mine")
    built.teardown(site=site)
    assert server.state() == before


def test_a_pool_that_a_domain_of_others_names_stays(built, server, before):
    server.sh(
        "cat >/srv/x.xml; virsh -q define /srv/x.xml; rm /srv/x.xml",
        stdin="<domain type='qemu'><name>theirs</name><memory>65536</memory><os><type>hvm</type>"
        "</os><devices><disk type='volume'><source pool='farswitch' volume='theirs.img'/>"
        "<target dev='sda' bus='sata'/></disk></devices></domain>",
    )
    assert "- pool farswitch" not in built.teardown()
    assert "farswitch" in server.sh("virsh -q pool-list --name")
    server.sh("virsh -q undefine theirs")
    assert built.teardown() == ["- pool farswitch"]
    assert server.state() == before


def test_a_build_reads_the_folder_no_more_often_for_more_guests(cluster, monkeypatch):
    reads: list[str] = []
    refresh = pools._refresh

    def counted(pool) -> bool:
        reads.append(pool.name())
        return refresh(pool)

    monkeypatch.setattr(pools, "_refresh", counted)
    counts = {}
    for guests in (1, 2):
        small = cluster(guests=guests)
        small.build()
        counts[guests] = reads.copy()
        reads.clear()
        assert small.build() == []
        small.teardown()
        reads.clear()
    assert counts[1] == counts[2]
    assert 1 <= len(counts[1]) <= 2


@pytest.mark.parametrize("name", [DISK1, BASE])
def test_a_volume_that_goes_between_two_looks_of_a_run_can_be_made_anew(
    built, server, before, name
):
    assert server.hypervisor.volume("farswitch", name).complete
    server.sh(f"virsh -q destroy {NODE1}; rm {POOL_PATH}/{name}")
    left = server.hypervisor.volume("farswitch", name)
    assert left is None or not left.complete
    server.hypervisor.upload("farswitch", name, b"new", 3)
    assert server.sh(f"cat {POOL_PATH}/{name}") == "new"
    built.teardown()
    assert server.state() == before
