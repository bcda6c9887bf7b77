"""A guest that panics, hangs or is stopped: its boot ends in time, with what is known of it."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.shell.protocol import ConnectionLostError
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
