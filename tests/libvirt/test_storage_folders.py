"""The pool's folder as servers have it: what was there before stays, what is in the way is named.

Each remedy is followed to the letter, and then there is nothing in the way.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.errors import Obstacle
from tests.libvirt.libvirtd import Server
from tests.libvirt.small_cluster import SmallCluster

pytestmark = pytest.mark.root

FOLDER = "/srv/vms"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("mkdir -m 2775 $1; chown 1234:5678 $1", id="owner-and-mode"),
        pytest.param("mkdir $1; mount -t tmpfs -o mode=0755 tmpfs $1", id="mount-point"),
        pytest.param("mkdir $1 /srv/data; mount --bind /srv/data $1", id="bind-mount"),
        pytest.param("mkdir /srv/data; ln -s /srv/data $1", id="link-to-a-folder"),
        pytest.param("mkdir /srv/data; ln -s data $1", id="relative-link"),
        pytest.param("mkdir $1; echo theirs >$1/notes; mkdir $1/sub", id="files-of-others"),
        pytest.param("mkdir $1; mkdir -m 700 $1/lost+found", id="lost-and-found"),
        pytest.param("mkdir $1; mkfifo $1/pipe; ln -s /nowhere $1/link", id="what-libvirt-skips"),
        pytest.param("true", id="not-there"),
    ],
)
@pytest.mark.parametrize("deep", [False, True], ids=["itself", "above"])
def test_a_folder_that_was_there_stays_as_it_was(server: Server, cluster, script, deep):
    server.sh(script, FOLDER)
    before, kept = server.state(), server.sh("ls -lAR -I etc --time-style=+ /srv")
    small: SmallCluster = cluster(pool_path=f"{FOLDER}/a/b" if deep else FOLDER)
    assert small.preflight() == []
    small.build_image()
    small.build_image()
    small.teardown()
    assert server.state() == before
    assert server.sh("ls -lAR -I etc --time-style=+ /srv") == kept
    server.sh("umount $1 2>/dev/null || true", FOLDER)


def test_a_folder_on_a_mount_point_is_used_by_guests_and_left(server, cluster):
    server.sh("mkdir $1; mount -t tmpfs -o mode=0755 tmpfs $1", FOLDER)
    before = server.state()
    small = cluster(pool_path=FOLDER)
    small.build()
    assert small.build() == []
    small.teardown()
    assert server.state() == before
    assert FOLDER in server.sh("cat /proc/self/mounts")
    server.sh("umount $1", FOLDER)


@pytest.fixture
def blocked(server: Server, cluster):
    """Look, find one obstacle, follow its remedy, and build."""

    def follow(remedy: str, *, pool_path: str = FOLDER, prepare: str) -> Obstacle:
        server.sh(prepare, pool_path)
        small = cluster(pool_path=pool_path)
        obstacle, *others = small.preflight()
        assert others == []
        assert "'server1'" in obstacle.what
        assert remedy in obstacle.remedy
        server.sh(remedy)
        assert small.preflight() == []
        small.build()
        small.teardown()
        return obstacle

    return follow


def test_a_folder_that_qemu_may_not_enter_is_named(blocked, server):
    server.sh("chmod 700 /root")
    seen = blocked("chmod a+x /root", pool_path="/root/vms", prepare="true")
    assert "runs as user 64055 and group 64055, who may not enter /root:" in seen.what
    server.sh("chmod 700 /root")


@pytest.mark.parametrize(
    ("prepare", "where"),
    [
        pytest.param("mkdir -p $1; chmod 700 $1", FOLDER, id="the-folder-itself"),
        pytest.param("mkdir -p $1; chmod 750 /srv", "/srv", id="its-parent"),
        pytest.param("mkdir -pm 700 /srv/far/vms; ln -s /srv/far/vms $1; chmod 711 /srv/far",
                     "/srv/far/vms", id="behind-a-link"),
        pytest.param("mkdir -p $1; chown 64055 $1; chmod 655 $1", FOLDER, id="its-own"),
    ],
)  # fmt: skip
def test_each_folder_on_the_way_is_looked_at(blocked, server, prepare, where):
    assert f"may not enter {where}:" in blocked(f"chmod a+x {where}", prepare=prepare).what
    server.sh("chmod 755 /srv")


def test_qemu_as_root_has_no_more_rights_than_the_owner(server, cluster):
    server.sh('echo \'user = "root"\ngroup = "root"\' >>/etc/libvirt/qemu.conf')
    server.restart()
    server.sh("chmod 700 /root; mkdir -m 700 $1; chown 1234 $1", FOLDER)
    assert cluster(pool_path="/root/vms").preflight() == []
    small = cluster(pool_path=FOLDER)
    (obstacle,) = small.preflight()
    assert "runs as user 0 and group 0, who may not enter /srv/vms:" in obstacle.what
    server.sh("chmod a+x $1", FOLDER)
    assert small.preflight() == []
    small.build()
    small.teardown()
    server.sh("sed -i '/^user\\|^group/d' /etc/libvirt/qemu.conf")
    server.restart()


def test_a_libvirt_that_changes_no_owners_runs_guests_all_the_same(server, before, cluster):
    server.sh("echo 'dynamic_ownership = 0' >>/etc/libvirt/qemu.conf")
    server.restart()
    small = cluster()
    small.build()
    assert [state.state for state in server.hypervisor.list_domains()] == ["running"]
    small.teardown()
    assert server.state() == before
    server.sh("sed -i '/^dynamic/d' /etc/libvirt/qemu.conf")
    server.restart()


def test_a_file_in_the_folders_place_is_named(blocked):
    seen = blocked(f"mv {FOLDER} {FOLDER}.old", prepare="echo data >$1")
    assert f"{FOLDER} on 'server1' is no folder" in seen.what


def test_a_link_to_nowhere_is_named(blocked):
    blocked(f"mv {FOLDER} {FOLDER}.old", prepare="ln -s /nowhere/at/all $1")


def test_a_read_only_file_system_is_named(blocked, server):
    seen = blocked(
        f"mount -o remount,rw $(findmnt -no TARGET -T $(readlink -f {FOLDER}))",
        prepare="mkdir $1; mount -t tmpfs -o ro tmpfs $1",
    )
    assert "mounted read-only" in seen.what
    server.sh("umount $1", FOLDER)


def test_a_file_system_without_inodes_is_named(server, cluster):
    server.sh("mkdir $1; mount -t tmpfs -o nr_inodes=8 tmpfs $1", FOLDER)
    small = cluster(pool_path=FOLDER)
    (obstacle,) = small.preflight()
    assert "has 7 free inodes, wanted 14." in obstacle.what
    server.sh("mount -o remount,nr_inodes=100 $1", FOLDER)
    assert small.preflight() == []
    server.sh("umount $1", FOLDER)


def test_a_file_system_of_fstab_that_is_not_mounted_is_named(blocked, server):
    entry = "tmpfs /srv/data tmpfs mode=0755 0 0"
    seen = blocked(
        "mount /srv/data",
        pool_path="/srv/data/vms",
        prepare=f"mkdir /srv/data; echo '# a comment\n\n{entry}' >/etc/fstab",
    )
    assert "belongs on /srv/data, which is in /etc/fstab and not mounted" in seen.what
    server.sh("umount /srv/data; mount -t tmpfs -o mode=755 tmpfs /srv/data; : >/etc/fstab")
    server.sh("umount /srv/data")


@pytest.mark.parametrize(
    ("where", "mounted"),
    [
        pytest.param("/srv/data/", "/srv/data", id="slash-at-its-end"),
        pytest.param("/srv/link", "/srv/data", id="by-a-link"),
        pytest.param("/srv/link/", "/srv/data", id="by-a-link-with-a-slash"),
        pytest.param("/", "/", id="root"),
    ],
)
def test_a_file_system_of_fstab_that_is_mounted_is_no_obstacle(cluster, server, where, mounted):
    server.sh("mkdir /srv/data; ln -s /srv/data /srv/link; mount -t tmpfs tmpfs /srv/data")
    server.sh('echo "tmpfs $1 tmpfs mode=0755 0 0" >/etc/fstab', where)
    try:
        folder = f"{where.rstrip('/')}/vms" if where != "/" else f"{mounted}srv/data/vms"
        small = cluster(pool_path=folder)
        assert [one.what for one in small.preflight() if "fstab" in one.what] == []
        server.sh("umount /srv/data")
        unmounted = [one.what for one in small.preflight() if "fstab" in one.what]
        assert len(unmounted) == (where != "/")
    finally:
        server.sh(": >/etc/fstab; umount -q /srv/data || :; rm -rf /srv/data /srv/link")


def define(server: Server, name: str, path: str) -> None:
    server.sh('virsh -q pool-define-as "$1" dir --target "$2"', name, path)


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    ("prepare", "theirs"),
    [
        pytest.param("true", FOLDER, id="same"),
        pytest.param("true", f"{FOLDER}/", id="trailing-slash"),
        pytest.param("ln -s vms /srv/link", "/srv/link", id="link"),
        pytest.param("ln -s . /srv/here", "/srv/here/vms", id="link-above"),
        pytest.param("mkdir /srv/bind; mount --bind $1 /srv/bind", "/srv/bind", id="bind-mount"),
    ],
)
def test_a_pool_of_another_name_on_the_folder_is_named(server, cluster, started, prepare, theirs):
    server.sh(f"mkdir $1; {prepare}", FOLDER)
    define(server, "images", theirs)
    if started:
        server.sh("virsh -q pool-start images")
    before = server.state()
    (obstacle,) = cluster(pool_path=FOLDER).preflight()
    path = theirs.rstrip("/")
    assert f"Pool 'images' on 'server1' has the folder of pool 'farswitch': {path}" in obstacle.what
    assert f"write 'pool: images' and 'pool_path: {path}'" in obstacle.remedy
    small = cluster(pool="images", pool_path=path)
    assert small.preflight() == []
    small.build()
    small.teardown()
    if started:
        assert server.state() == before
    assert "images" in server.sh("virsh -q pool-list --all --name"), "it is theirs"
    server.sh("umount /srv/bind 2>/dev/null || true")


def test_a_pool_of_our_name_elsewhere_is_named(server, cluster):
    server.sh("mkdir /srv/theirs")
    define(server, "farswitch", "/srv/theirs")
    (obstacle,) = cluster(pool_path=FOLDER).preflight()
    assert obstacle.what == (
        "Pool 'farswitch' on 'server1' has the folder /srv/theirs, wanted /srv/vms."
    )
    assert "'pool_path: /srv/theirs'" in obstacle.remedy
    assert cluster(pool_path="/srv/theirs").preflight() == []


def test_pools_above_and_below_are_no_clash(server, cluster, before):
    server.sh("mkdir -p $1/inner", FOLDER)
    define(server, "outer", "/srv")
    define(server, "inner", f"{FOLDER}/inner")
    server.sh("virsh -q pool-start outer; virsh -q pool-start inner")
    small = cluster(pool_path=FOLDER)
    assert small.preflight() == []
    state = server.state()
    small.build_image()
    small.teardown()
    assert server.state() == state


def test_a_libvirt_without_storage_is_named(server, cluster):
    drivers = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"
    if not Path(drivers, "libvirt_driver_storage.so").exists():
        pytest.skip("libvirt's storage driver lies elsewhere")
    server.stop()
    server.sh(
        "cp -r $1 /run/drivers; rm /run/drivers/*storage.so; mount --bind /run/drivers $1", drivers
    )
    server.start()
    (obstacle,) = cluster().preflight()
    assert "libvirt on 'server1' has no storage driver" in obstacle.what
    server.stop()
    server.sh("umount $1", drivers)
    server.start()
    assert cluster().preflight() == []


def test_a_libvirt_that_does_not_run_is_named(server, cluster):
    small = cluster()
    server.stop()
    server.path("/run/libvirt/libvirt-sock").unlink(missing_ok=True)
    (obstacle,) = small.preflight()
    assert "systemctl start libvirtd" in obstacle.remedy
    assert "virtqemud.socket virtstoraged.socket" in obstacle.remedy
    server.start()
    assert small.preflight() == []
