"""Teardown without a site, and what nobody needs: found by marks, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.model.owner import GROUP_BASE
from tests.lab_containers.desk import Desk, difference, inside, snapshot

pytestmark = pytest.mark.root
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
