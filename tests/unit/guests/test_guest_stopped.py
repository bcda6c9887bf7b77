"""A guest that panics, hangs or is stopped: its boot ends in time, with what is known of it."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.shell.protocol import CommandTimeoutError, ConnectionLostError
from farswitch.guests import wait_ready
from farswitch.guests.base_image import BaseImage
from farswitch.guests.boot import Boot
from farswitch.guests.domain import Hardware
from farswitch.guests.wait_ready import BootError
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site

SITE = load_site(str(ROOT / "inventory/lab"))
SETTINGS = SITE.settings.model_copy(update={"boot_timeout": 1})
CLUSTER = cluster(replace(SITE, settings=SETTINGS), None)
NODE2 = CLUSTER.guests[1]
HARDWARE = Hardware("qemu", 1450, "/pool", BaseImage("base-own-0", "/pool", ""))
RUNNING = DomainState("lab-node2", "uuid", "running", True, "", "lab", "node2")


def boot(monkeypatch: pytest.MonkeyPatch, state: DomainState | None, console: str) -> BootError:
    """Wait for a guest of which no login comes, and return how that ended."""
    task = SimpleNamespace(host="node2")
    hypervisor = SimpleNamespace(domain=lambda _name: state)
    server = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(status=0, stdout=console))

    def refuse(_where: object) -> None:
        raise ConnectionLostError("node2", "it does not reach 10.10.0.12 port 22")

    monkeypatch.setattr(wait_ready, "shell", refuse)
    started = time.monotonic()
    with pytest.raises(BootError, match="Guest 'node2' failed at step 'ssh'") as caught:
        wait_ready.wait_until_ready(task, Boot(hypervisor, server, NODE2, None, HARDWARE))
    assert time.monotonic() - started < 3
    return caught.value


def test_a_guest_that_panics_or_hangs_is_given_up_at_its_deadline(monkeypatch):
    error = boot(monkeypatch, RUNNING, "Kernel panic - not syncing: Attempted to kill init!\n")
    assert "did not happen within 1 s" in str(error)
    assert "does not reach 10.10.0.12" in str(error)
    assert "Its console ends with:\n    Kernel panic - not syncing" in str(error)
    assert "virsh console lab-node2 on server 'server1'" in error.hint


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "Its domain is gone."),
        (replace(RUNNING, state="crashed"), "Its domain is crashed."),
        (replace(RUNNING, state="shut off"), "Its domain is shut off."),
        (replace(RUNNING, state="paused"), "Its domain is paused."),
        (replace(RUNNING, state="paused", disk_failed=True), "is the hypervisor's disk full?"),
    ],
    ids=["gone", "crashed", "off", "paused", "disk"],
)
def test_a_guest_that_does_not_run_is_no_reason_to_wait(monkeypatch, state, said):
    error = boot(monkeypatch, state, "")
    assert said in str(error)
    assert "Its console is empty." in str(error)
    assert "within" not in str(error)


def system(monkeypatch, answers, *, answer, logins=9):
    """Wait for a guest that can be logged in to so often; return its end, and commands' bounds."""
    bounds, left, made = [], list(answers), []

    def run(argv, *, timeout, check):
        assert not check
        bounds.append(timeout)
        if isinstance(ended := left.pop(0), Exception):
            raise ended
        return SimpleNamespace(status=0, stdout=ended)

    def log_in(_task):
        made.append(1)
        if len(made) > logins:
            raise ConnectionLostError("node2", "it does not reach 10.10.0.12 port 22")
        return SimpleNamespace(run=run)

    monkeypatch.setattr(wait_ready, "shell", log_in)
    hypervisor = SimpleNamespace(domain=lambda _name: RUNNING)
    server = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(status=0, stdout=""))
    settings = SITE.settings.model_copy(update={"boot_timeout": 300})
    boot = Boot(hypervisor, server, replace(NODE2, settings=settings), None, HARDWARE)
    try:
        wait_ready.wait_until_ready(SimpleNamespace(host=Host("node2")), boot, answer)
    except BootError as error:
        return error, bounds
    return None, bounds


READY = (
    f"running\nnode2\n2: data0    inet {NODE2.data_address} \n"
    f"3: mgmt0    inet {NODE2.management_address} \n2: {NODE2.data_mac}\n"
)
GONE = ConnectionLostError("node2", "the login ended")
SILENT = CommandTimeoutError("node2", ["sh"], 65)


def test_a_guest_that_died_after_its_login_is_silent_and_not_a_boot_that_hangs(monkeypatch):
    error, bounds = system(monkeypatch, [SILENT], answer=0.3, logins=1)
    assert error.step == "ssh", "so it is asked to reboot before its plug is pulled"
    assert bounds == [pytest.approx(5.6)]


def test_a_guest_that_reboots_meanwhile_is_logged_in_to_anew(monkeypatch):
    ended, bounds = system(monkeypatch, [GONE, READY], answer=30)
    assert ended is None
    assert len(bounds) == 2


def test_a_guest_that_lives_and_boots_for_long_is_asked_again(monkeypatch):
    assert system(monkeypatch, ["", "\n", READY], answer=30) == (None, [65] * 3)
    ended, (bound,) = system(monkeypatch, [READY], answer=None)
    assert ended is None
    assert bound > 300, "one that was just started has its whole boot"
