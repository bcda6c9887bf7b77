"""What a build does with a guest that ought to be ready and is not: what is tried, what is kept."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.protocol import HostKeyError
from farswitch.errors import FarswitchError
from farswitch.guests import restart
from farswitch.guests.base_image import BaseImage
from farswitch.guests.boot import Boot, seed_of
from farswitch.guests.config import wanted_configs
from farswitch.guests.domain import Hardware, Mark, read_mark
from farswitch.guests.wait_ready import BootError
from farswitch.image.seed_archive import archive
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
NODE2 = CLUSTER.guests[1]
CONFIG = wanted_configs(CLUSTER, complete(None, CLUSTER))[NODE2.name]
HARDWARE = Hardware("qemu", 1450, "/pool", BaseImage("base-own-0123456789abcdef", "/pool", ""))
READY = Mark("lab", "node2", "ready", HARDWARE.image.name, disk=3)
DISK = "lab.node2.3.qcow2"
SILENT = BootError(NODE2, "ssh", "No login.", ["one", "panic"])
NO_NIC = BootError(NODE2, "nics", "It lacks 10.0.0.12/24 on data0.", [])
STRANGER = HostKeyError("node2", "SHA256:a", "SHA256:b", hint="look")
SLOW = BootError(NODE2, "system", "Its system is 'starting'.", [])


class Hypervisor:
    """Notes what is done to the guest."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.states: list[str] = []

    def qemu_user(self):
        return 64055, 64055

    def ask_to_reboot(self, name):
        self.did.append("reboot")

    def destroy(self, name):
        self.did.append("destroy")

    def discard_suspended(self, name):
        return False

    def start(self, name):
        self.did.append("start")

    def define(self, xml):
        self.states.append(read_mark(xml).state)

    def upload(self, pool, name, content, size, *, mode, owner):
        assert name == "lab.node2.seed.iso"
        self.did.append("seed")

    def delete_volume(self, pool, name):
        assert name != DISK, "a disk that was ready stays"

    def create_overlay(self, *_, **__):
        raise AssertionError("no disk is made for a guest that was ready")


def bring_up(monkeypatch, outcomes, *, actions=(), mark=READY):
    """Return what was done, the deadlines, and the result or error of a run with these outcomes."""
    hypervisor, waits, left = Hypervisor(), [], list(outcomes)

    def wait(task, boot, answer=None):
        waits.append(answer)
        if (error := left.pop(0)) is not None:
            raise error

    monkeypatch.setattr(restart, "wait_until_ready", wait)
    guest = SimpleNamespace(run=lambda argv: hypervisor.did.append(argv[0]))
    monkeypatch.setattr(restart, "shell", lambda task: guest)
    task = SimpleNamespace(host=Host("node2"))
    if any(isinstance(one, BootError) and one.step != "ssh" for one in outcomes):
        login = SimpleNamespace(close=lambda: hypervisor.did.append("log out"))
        task.host.connections["shell"] = login
    boot = Boot(hypervisor, None, NODE2, CONFIG, HARDWARE)
    try:
        result = restart.bring_up(task, boot, mark, actions)
    except FarswitchError as error:
        result = error
    assert left == []
    return hypervisor, waits, result


@pytest.mark.parametrize(
    ("outcomes", "actions", "did"),
    [
        pytest.param([None], [], [], id="it-answers"),
        pytest.param([SILENT, None], [], ["reboot"], id="a-reboot-in-order-helps"),
        pytest.param([SILENT, SILENT, None], [], ["reboot", "destroy", "seed", "start"],
                     id="a-restart-with-the-seed-helps"),
        pytest.param([STRANGER, STRANGER, None], [], ["reboot", "destroy", "seed", "start"],
                     id="another-host-key-is-written-again"),
        pytest.param([NO_NIC, None], [], ["sync", "log out", "destroy", "seed", "start"],
                     id="one-that-can-be-asked-writes-its-data-first"),
        pytest.param([SLOW, None], [], ["sync", "log out", "destroy", "seed", "start"],
                     id="a-system-that-hangs-in-its-boot"),
        pytest.param([SILENT, None], ["start"], ["destroy", "seed", "start"],
                     id="switched-off-and-silent-when-started"),
        pytest.param([SILENT, None], ["redefine"], ["reboot"], id="redefined-runs-on"),
    ],
)  # fmt: skip
def test_one_build_brings_back_a_guest_that_was_ready(monkeypatch, outcomes, actions, did):
    hypervisor, waits, (mark, told) = bring_up(monkeypatch, outcomes, actions=actions)
    assert hypervisor.did == did
    assert mark.disk == READY.disk
    assert bool(told) == (len(outcomes) > 1)
    assert waits[0] == (None if "start" in actions else restart.ANSWER_SECONDS)
    assert set(hypervisor.states) <= {"stuck"}, "should the build be killed: it was ready"


@pytest.mark.parametrize("outcomes", [[SILENT] * 3, [STRANGER] * 3, [NO_NIC] * 2])
def test_a_guest_that_stays_silent_is_given_up_with_its_disk(monkeypatch, outcomes):
    hypervisor, _, error = bring_up(monkeypatch, outcomes)
    assert isinstance(error, FarswitchError)
    assert "disk is kept" in error.hint
    assert hypervisor.states[-1] == "stuck", "the next build restarts it"


def test_a_guest_that_was_restarted_already_is_not_restarted_again(monkeypatch):
    hypervisor, _, error = bring_up(
        monkeypatch, [SILENT], actions=["restart"], mark=replace(READY, state="stuck")
    )
    assert error is SILENT
    assert (hypervisor.did, hypervisor.states) == ([], ["stuck"])


def test_a_guest_that_was_never_ready_fails_as_it_is(monkeypatch):
    new = replace(READY, state="new")
    hypervisor, _, error = bring_up(monkeypatch, [SLOW], actions=["create"], mark=new)
    assert error is SLOW
    assert (hypervisor.did, hypervisor.states) == (["log out"], []), "of the boot before"


def test_what_its_console_said_is_told_before_a_restart_empties_it(monkeypatch):
    _, _, (_, told) = bring_up(monkeypatch, [SILENT, SILENT, None])
    assert "one | panic" in told[0]
    assert len(told) == 2


def test_a_seed_of_a_restart_is_another_and_starts_sshd():
    first = seed_of(NODE2, CONFIG, mtu=1450, own_image=True)
    again = [seed_of(NODE2, CONFIG, mtu=1450, own_image=True, renewed=True) for _ in range(2)]
    assert len({seed.instance_id for seed in (first, *again)}) == 3
    assert "ssh.service" in again[0].units
    assert "ssh.service" not in first.units
    assert replace(again[0], instance_id=first.instance_id, units=first.units) == first
    assert archive(again[0]) != archive(first)
