"""A server that is rebooted: the next build mends all of it, the next teardown gives all back.

A reboot takes links, rules, timers, locks and processes, guests among them; it leaves the disk, and
applies what /etc/sysctl.d and the administrator's own scripts say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.lab import control
from tests.lab.comparison import settle
from tests.soak import steps
from tests.soak.ground import Ground
from tests.soak.moments import RUN_SECONDS, Border, When, await_moment

pytestmark = pytest.mark.root
Told = Callable[[str], None]
BOTH = ("server1", "server2")
LONG = pytest.mark.soak
TURNS = [(step, BOTH[turn % 2]) for turn, step in enumerate(steps.TEARDOWN)]


def reboot(ground: Ground, *servers: str) -> None:
    """Switch servers off and on, and wait until they are at rest."""
    for server in servers:
        control.restart(server, ground.cluster.lab)
    settle(ground.cluster.lab)


def built(ground: Ground) -> Ground:
    run = ground.run("build")
    assert run.status == 0, run.said
    return ground


def timers(ground: Ground, server: str) -> Path:
    return ground.root(server) / "run/farswitch-deadman"


@pytest.mark.parametrize(
    "servers",
    [("server1",), pytest.param(("server2",), marks=LONG), pytest.param(BOTH, marks=LONG)],
    ids="+".join,
)
def test_verify_tells_and_a_build_mends(ground: Ground, told: Told, servers: tuple[str, ...]):
    reboot(built(ground), *servers)
    run = ground.run("verify", "--only", "server,tunnel.ends")
    assert run.status == 1, run.said
    assert "Traceback" not in run.said
    failed = {(check["host"], check["name"]) for check in run.failed_checks()}
    missing = ("server.bridges", "server.guard", "server.firewall", "server.drift", "tunnel.ends")
    assert {(server, name) for server in servers for name in missing} <= failed
    assert not any(host in BOTH and host not in servers for host, _ in failed)
    ground.converges()
    ground.goes()
    told(f"reboot of {' and '.join(servers)}, then built twice and torn down")


@pytest.mark.soak
@pytest.mark.parametrize("without_site", [False, True], ids=["site", "no-site"])
@pytest.mark.parametrize("servers", [("server1",), ("server2",), BOTH], ids="+".join)
def test_a_teardown_needs_no_build_before_it(
    ground: Ground, told: Told, servers: tuple[str, ...], without_site: bool
):
    reboot(built(ground), *servers)
    ground.goes(without_site=without_site)
    told(f"reboot of {' and '.join(servers)}, then torn down")


@pytest.mark.soak
@pytest.mark.parametrize(("step", "server"), TURNS)
def test_a_teardown_that_was_killed_is_finished_after_a_reboot(
    ground: Ground, told: Told, step: str, server: str
):
    assert built(ground).crash(Border(step), "teardown")
    reboot(ground, server)
    ground.goes()
    told(f"teardown killed at the start of {step}, {server} rebooted, then torn down")


@pytest.mark.soak
@pytest.mark.parametrize("step", ["guard", "firewall_reset", "bridge", "vm_boot"])
@pytest.mark.parametrize("server", BOTH)
def test_a_build_whose_server_is_rebooted_ends_with_a_sentence(
    ground: Ground, told: Told, server: str, step: str
):
    running = ground.start("build")
    await_moment(running, Border(step))
    reboot(ground, server)
    run = ground.end(running, seconds=RUN_SECONDS)
    assert "Traceback" not in run.said
    if run.status:  # else it was done with that server
        assert (run.status, server in run.errors) == (1, True), run.said
    ground.converges()
    ground.goes()
    told(f"{server} rebooted at the start of {step} of a build, then built and torn down")


@pytest.mark.soak
@pytest.mark.parametrize("server", BOTH)
@pytest.mark.parametrize("builds", [True, False], ids=["build", "teardown"])
def test_a_timer_that_went_with_the_boot_leaves_nothing_to_undo(
    ground: Ground, told: Told, server: str, builds: bool
):
    moment = When("a timer is armed", lambda: any(timers(ground, server).glob("*.armed")))
    for _ in range(5):  # a confirmation may be faster than the kill
        assert ground.crash(moment, "build")
        if any(timers(ground, server).glob("*.armed")):
            break
        ground.goes()
    assert any(timers(ground, server).glob("*.armed")), "killed before the confirmation"
    reboot(ground, server)
    assert not timers(ground, server).exists()
    if builds:
        ground.converges()
    ground.goes()
    told(f"{server} rebooted while a timer was armed there, then {'built' if builds else 'gone'}")


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.parametrize("saved", [False, True], ids=["cut-off", "suspended"])
def test_guests_start_again_from_their_disks(guests: Ground, told: Told, saved: bool):
    """libvirt-guests may suspend guests to the disk when their server goes down in order."""
    guests.cluster.size = 2
    guests.cluster.write_site()
    head, worker = built(guests).cluster.guests(2)
    head.good("echo kept >/shared/kept; sync")
    keys = [one.root("cat /etc/ssh/ssh_host_ed25519_key.pub") for one in (head, worker)]
    boots = guests.cluster.boots(2)
    if saved:
        for number in (1, 2):
            name = f"{guests.cluster.name}-node{number}"
            guests.cluster.on("server1", ["virsh", "-q", "managedsave", name])
    reboot(guests, "server1")
    guests.converges()
    assert [one.root("cat /etc/ssh/ssh_host_ed25519_key.pub") for one in (head, worker)] == keys
    assert [old == new for old, new in zip(boots, guests.cluster.boots(2), strict=True)] == [
        saved, saved
    ]  # fmt: skip
    assert worker.good("cat /shared/kept; findmnt -n -o SOURCE -t nfs4 /shared").splitlines() == [
        "kept", f"{head.address}:/shared"
    ]  # fmt: skip
    run = guests.run("verify", "--only", "guest,nfs,path")
    assert run.status == 0, run.said
    if saved:
        guests.cluster.on("server1", ["virsh", "-q", "managedsave", f"{guests.cluster.name}-node2"])
        reboot(guests, "server1")
    guests.goes()
    told(f"reboot of server1 under two real guests, {'suspended' if saved else 'cut off'}")
