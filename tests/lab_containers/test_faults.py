"""Servers on which something is wrong: each run says what and where, and the next one goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container, ready
from farswitch.lab.addresses import Lab, Member
from farswitch.lab.run import run
from tests.lab.clusters import ClusterUnderTest, Run
from tests.lab_containers.servers import Served, build_servers

pytestmark = pytest.mark.root
SECONDS = 60.0
"""No fault takes longer, on a machine that is busy with other tests."""


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    cluster = ClusterUnderTest("fsfa", 5201, "10.94.0", "10.95.0", lab, tmp_path, size=2)
    cluster.write_site()
    yield cluster
    cluster.good("teardown")


def sh(cluster: ClusterUnderTest, server: str, script: str) -> str:
    return cluster.on(server, ["sh", "-c", script])


def refused(run: Callable[[], Run | Served], *words: str) -> None:
    """Hold a build to ending with 2, in time, with these words."""
    started = time.monotonic()
    done = run()
    assert done.status == 2, done.said
    for word in words:
        assert word in done.said
    assert "Traceback" not in done.said
    assert time.monotonic() - started < SECONDS


@contextmanager
def broken(cluster: ClusterUnderTest, server: str, damage: str, mend: str) -> Iterator[None]:
    sh(cluster, server, damage)
    try:
        yield
    finally:
        sh(cluster, server, mend)


def test_an_underlay_that_is_down_is_named_by_its_device(cluster: ClusterUnderTest) -> None:
    with broken(cluster, "server2", "ip link set eth1 down", "ip link set eth1 up"):
        words = ("underlay's device 'eth1' of 'server2' is down", "ip link set eth1 up")
        refused(lambda: build_servers(cluster), *words)  # the command would mend its own lab
    wait_until(
        lambda: "NO-CARRIER" not in sh(cluster, "server2", "ip link show eth1"),
        Deadline(10), what="The carrier",
    )  # fmt: skip
    assert build_servers(cluster).changed > 0


def test_a_server_without_python3_is_named(cluster: ClusterUnderTest) -> None:
    build = partial(cluster.run, "build")
    hide = "mv /usr/bin/python3 /usr/bin/python3.hidden"
    with broken(cluster, "server2", hide, "mv /usr/bin/python3.hidden /usr/bin/python3"):
        refused(build, "Programs are missing on 'server2': python3.", "apt install python3")
    assert build_servers(cluster).changed > 0


def test_a_sudo_that_asks_for_a_password_is_named(cluster: ClusterUnderTest) -> None:
    build = partial(cluster.run, "build")
    add = (
        "useradd -m -s /bin/sh -p '*' me && install -d -o me -g me /home/me/.ssh && "
        "install -o me -g me -m 600 /root/.ssh/authorized_keys /home/me/.ssh/"
    )
    hosts = cluster.site / "hosts.yaml"
    before = hosts.read_text()
    hosts.write_text(before.replace("groups: [switch]", "groups: [switch]\n  username: me"))
    with broken(cluster, "server2", add, "userdel -r -f me 2>/dev/null; true"):
        try:
            refused(build, "The user on 'server2' may not run commands as root", "NOPASSWD")
        finally:
            hosts.write_text(before)
    assert build_servers(cluster).changed > 0


def test_a_full_disk_is_named_and_the_next_build_goes_on(cluster: ClusterUnderTest) -> None:
    folder = "/var/lib/farswitch"
    fill = (
        f"mkdir -p {folder} && mount -t tmpfs -o size=4k full {folder} && "
        f"head -c 4096 /dev/zero >{folder}/filler"
    )
    with broken(cluster, "server1", fill, f"umount {folder}"):
        failed = build_servers(cluster)
        assert failed.status == 1
        for word in ("No space left on device", "'server1'", folder):
            assert word in failed.said
        assert sh(cluster, "server1", f"find {folder} -type f").split() == [f"{folder}/filler"]
    assert build_servers(cluster).changed > 0


def test_a_libvirt_that_is_killed_under_way_is_asked_again_by_the_next_build(
    cluster: ClusterUnderTest,
) -> None:
    assert build_servers(cluster).changed > 0
    first = container.find(cluster.lab)["server1"]
    sh(cluster, "server1", "kill -KILL $(pidof libvirtd)")
    wait_until(lambda: ready.runs_libvirt(first), Deadline(30), what="libvirt's return")
    again = build_servers(cluster)
    assert (again.status, again.changed) == (0, 0)


@pytest.fixture
def shifted(lab: Lab, tmp_path: Path) -> Iterator[Callable[[Member], int]]:
    """Shift the clock of every login, server1's an hour ahead and server2's an hour back.

    The result tells by how many seconds a server's is off.
    """
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    change = (
        "xxd -r -p >/root/clock.so && cp /etc/ssh/sshd_config /root/config && "
        "echo 'SetEnv LD_PRELOAD=/root/clock.so' >>/etc/ssh/sshd_config"
    )
    try:
        for member, seconds in zip(lab.members, (3600, -3600), strict=True):
            option = f"-DSHIFT={seconds}"
            run(["gcc", "-shared", "-fPIC", "-O", option, "-o", str(library), str(source)])
            pid, content = container.find(lab)[member.name], library.read_bytes().hex()
            container.execute(pid, ["sh", "-c", change], stdin=content)
            _restart_sshd(lab, member.name)
        yield lambda member: int(run([*ready.ssh_argv(lab, member), "date +%s"])) - int(time.time())
    finally:
        for name, pid in container.find(lab).items():
            back = "cp /root/config /etc/ssh/sshd_config; rm /root/config /root/clock.so"
            container.execute(pid, ["sh", "-c", back])
            _restart_sshd(lab, name)


def _restart_sshd(lab: Lab, name: str) -> None:
    pid = container.find(lab)[name]
    container.execute(pid, ["sh", "-c", "kill -HUP $(pgrep -o -x sshd)"])
    member = next(one for one in lab.members if one.name == name)
    wait_until(lambda: ready.logs_in(lab, member), Deadline(20), what=f"sshd of '{name}'")


def test_a_clock_that_is_an_hour_off_changes_nothing(
    shifted: Callable[[Member], int], cluster: ClusterUnderTest
) -> None:
    server1, server2 = cluster.lab.members
    assert 3590 < shifted(server1) < 3620
    assert -3620 < shifted(server2) < -3590
    assert build_servers(cluster).changed > 0
    again = build_servers(cluster)
    assert (again.status, again.changed) == (0, 0)
    assert cluster.good("teardown").changed > 0
