"""Both servers are worked on by a user with nothing but what docs/security.md gives him."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.connections.shell.protocol import PrivilegeError
from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container, control, ready
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lab.run import ProgramError
from farswitch.run.cli import Options
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.stages import Stage
from tests.documented import run_by
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.lab.foreign import plant
from tests.lab.guests import names
from workflows import build

pytestmark = pytest.mark.root
NAME = "farswitch"
GROUPS = """\
hypervisor: {{username: farswitch, data: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}}}
switch: {{username: farswitch, data: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}}}
"""


def blocks(kind: str) -> list[str]:
    """Return the blocks of a language in the docs that this file runs, to the letter."""
    return [block.text for block in run_by(__file__) if block.language == kind]


def inside(lab: Lab, server: str, *argv: str, stdin: str = "") -> str:
    return container.execute(container.find(lab)[server], argv, stdin=stdin)


def as_user(lab: Lab, server: str, command: str) -> str:
    return inside(lab, server, "setpriv", "--reuid", NAME, "--regid", NAME, "--init-groups",
                  "env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", command)  # fmt: skip


@pytest.fixture(scope="module")
def servers(own_lab: Lab) -> Iterator[Lab]:
    """Return fresh servers whose administrator did what the docs say, and closed root's login."""
    control.down(own_lab)
    control.up(own_lab)
    (everywhere, hypervisor), (sudoers,) = blocks("sh"), blocks("sudoers")
    for member in MEMBERS:
        inside(own_lab, member.name, "sh", "-eu", "-c", everywhere)
        if member.hypervisor:
            inside(own_lab, member.name, "sh", "-eu", "-c", hypervisor)
        inside(own_lab, member.name, "sh", "-euc",
               "umask 0337; rm -f /etc/sudoers.d/*; cat >/etc/sudoers.d/farswitch; visudo -cq",
               stdin=sudoers)  # fmt: skip
        inside(own_lab, member.name, "sh", "-euc",
               "install -d -m 0700 -o farswitch -g farswitch ~farswitch/.ssh; "
               "cd /root/.ssh; install -m 0600 -o farswitch -g farswitch "
               "authorized_keys ~farswitch/.ssh/; rm authorized_keys")  # fmt: skip
    wait_until(
        lambda: ready.runs_libvirt(container.find(own_lab)["server1"]), Deadline(30), what="libvirt"
    )
    yield own_lab
    control.down(own_lab)


def site(servers: Lab, folder: Path, name: str, vni: int, size: int) -> ClusterUnderTest:
    """Return a cluster whose site has the user's logins."""
    one = ClusterUnderTest(name, vni, "10.96.0", "10.97.0", servers, folder, size=size)
    one.write_site()
    (one.site / "groups.yaml").write_text(GROUPS.format(lab=servers))
    return one


@pytest.fixture
def cluster(servers: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterUnderTest:
    one = site(servers, tmp_path, "least", 7001, 2)
    monkeypatch.setenv("XDG_STATE_HOME", str(one.state))
    return one


def test_the_user_may_do_what_the_docs_give_and_nothing_else(servers):
    with pytest.raises(ProgramError, match="Permission denied"):
        as_user(servers, "server2", "cat /etc/sudoers.d/farswitch")
    with pytest.raises(ProgramError, match="password is required"):
        as_user(servers, "server2", "sudo -n id")
    assert as_user(servers, "server2", "sudo -n env id -u").strip() == "0"
    assert "libvirt" in as_user(servers, "server1", "id -Gn").split()
    assert as_user(servers, "server1", "virsh -c qemu:///system list --name").strip() == ""
    given = [line for line in blocks("sudoers")[0].splitlines() if "NOPASSWD" in line]
    assert len(given) == 1


def test_servers_are_built_and_given_back_by_the_user(servers, cluster):
    plant(servers)
    settle(servers)
    before = observe(servers)
    with Session("build", Options(site=str(cluster.site))) as session:
        with locked(session):
            assert session.run(fenced(session, without_guests(session)))
        done = {name for name, row in session.recorder.rows.items() if row.changed}
        asked = set(session.recorder.rows)
    assert done >= {"record", "sysctl", "guard", "firewall_reset", "bridge", "vxlan"}
    assert asked >= {"preflight", "vm_remove", "bridge_ports", "mtu_servers"}
    ports = json.loads(inside(servers, "server2", "ip", "-j", "link", "show", "master", "fss7001"))
    assert {one["ifname"] for one in ports} == {"fsv7001", "fsv7002"}
    for server in ("server1", "server2"):
        assert "farswitch_least" in inside(servers, server, "nft", "list", "tables")
        assert inside(servers, server, "sysctl", "-n", "net.ipv4.ip_forward").strip() == "1"
    record = "/var/lib/farswitch/clusters/least.json"
    assert inside(servers, "server1", "stat", "-c", "%a %U", record).strip() == "600 root"
    gone = cluster.good("teardown")
    assert gone.changed > 0
    assert compare(before, observe(servers)) == []
    assert_planted(before)


@pytest.mark.lab
@pytest.mark.trial
def test_a_guest_is_raised_proved_and_given_back_by_the_user(servers: Lab, tmp_path: Path):
    one = site(servers, tmp_path, "alone", 7101, 1)
    one.forget_lab()  # raising it would be root's work
    settle(servers)
    before = observe(servers)
    one.good("build")
    assert names(one.guests(1)) == ["node1"]
    assert inside(servers, "server1", "virsh", "list", "--name").split() == ["alone-node1"]
    proved = {check["name"] for check in one.good("verify").document["checks"] if check["ok"]}
    assert {"server.guard", "tunnel.fdb", "guest.running", "guest.login", "mtu.hops"} <= proved
    assert one.good("build").changed == 0
    one.good("teardown")
    assert compare(before, observe(servers)) == []


def assert_planted(snapshot: Snapshot) -> None:
    """Make sure that the comparison sees what somebody else has there."""
    for server, lines in snapshot.items():
        text = "\n".join(lines)
        for part in ("theirs0", "theirs1", "table inet theirs", "02:00:00:00:00:01",
                     "/etc/sysctl.d/50-theirs.conf", "farswitch-theirs"):  # fmt: skip
            assert part in text, (server, part)
    for part in ("fst-theirs", "theirs/base-own-0123456789abcdef.qcow2"):
        assert part in "\n".join(snapshot["server1"])


def without_guests(session: Session) -> Iterator[Stage]:
    """Yield the stages of a build up to the first that needs an image."""
    for stage in build.stages(session):
        names = {one.name for one in stage.steps}
        if "image" in names:
            return
        if "image_source" not in names:
            yield stage


def test_without_the_line_a_run_ends_before_it_changes_anything(servers, cluster):
    inside(servers, "server2", "mv", "/etc/sudoers.d/farswitch", "/root/")
    try:
        with (
            Session("build", Options(site=str(cluster.site))) as session,
            pytest.raises(PrivilegeError, match="The user on 'server2' may not run commands"),
            locked(session),
        ):
            pytest.fail("the run began")
    finally:
        inside(servers, "server2", "mv", "/root/farswitch", "/etc/sudoers.d/")
    for server in ("server1", "server2"):
        assert inside(servers, server, "sh", "-c", "ls -A /var/lib/farswitch || :").strip() == ""
