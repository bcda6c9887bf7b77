"""Guests go off in order, by their button, or by their plug; on libvirt's test driver."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import ForeignObjectError
from farswitch.guests import stop
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from tasks import vm_stop

NODE1 = cluster(load_site(str(ROOT / "inventory/lab")), None).guests[0]
OURS = '<f:mark xmlns:f="urn:farswitch:1" cluster="lab" guest="node1" state="ready"/>'
GONE = ConnectionLostError("node1", "it does not reach 10.10.0.11 port 22")


class Guest:
    """A domain of the test driver, and what becomes of it when its system is asked over ssh."""

    def __init__(self, hypervisor: Hypervisor, metadata: str = OURS) -> None:
        self.hypervisor, self.asked = hypervisor, 0
        self.follows = True
        self.answers = True
        hypervisor.define(
            f"<domain type='test'><name>{NODE1.domain}</name><memory>1024</memory>"
            f"<os><type>hvm</type></os><metadata>{metadata}</metadata></domain>"
        )
        hypervisor.start(NODE1.domain)

    @property
    def state(self) -> str:
        found = self.hypervisor.domain(NODE1.domain)
        assert found is not None
        return found.state

    def login(self, _task: object) -> SimpleNamespace:
        if not self.answers:
            raise GONE
        return SimpleNamespace(run=self.run)

    def run(self, argv: tuple[str, ...], *, timeout: float) -> None:
        assert argv == stop.POWER_OFF
        self.asked += 1
        if self.follows:
            self.hypervisor.destroy(NODE1.domain)

    def off(self, *, dry: bool = False):
        task = SimpleNamespace(host=Host("node1"), is_dry_run=lambda _asked: dry)
        return vm_stop.vm_stop(task, NODE1, Host("server1"))


@pytest.fixture
def guest(hypervisor: Hypervisor, monkeypatch: pytest.MonkeyPatch) -> Guest:
    made = Guest(hypervisor)
    monkeypatch.setattr(stop, "shell", made.login)
    monkeypatch.setattr(vm_stop, "libvirt", lambda _host: hypervisor)
    return made


def forbid(monkeypatch: pytest.MonkeyPatch, guest: Guest, method: str) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{method} {name}")

    monkeypatch.setattr(guest.hypervisor, method, refuse)


def test_a_guest_that_answers_shuts_down_by_itself(guest, monkeypatch):
    forbid(monkeypatch, guest, "press_power_button")
    done = guest.off()
    assert (done.changed, done.count, done.notes) == (True, 1, [])
    assert done.diff == "- running lab-node1"
    assert (guest.state, guest.asked) == ("shut off", 1)


def test_a_guest_that_does_not_answer_has_its_button_pressed(guest, monkeypatch):
    guest.answers = False
    forbid(monkeypatch, guest, "destroy")
    assert guest.off().notes == []
    assert guest.state == "shut off"


@pytest.mark.parametrize("answers", [True, False])
def test_a_guest_that_does_not_follow_has_its_plug_pulled_and_is_named(guest, monkeypatch, answers):
    guest.answers, guest.follows = answers, False
    monkeypatch.setattr(stop, "ORDERLY_SECONDS", 0.1)
    monkeypatch.setattr(guest.hypervisor, "press_power_button", lambda _name: None)
    (note,) = guest.off().notes
    assert note.startswith("Guest 'node1' did not shut down within 0 s")
    assert note.endswith("its plug was pulled.")
    assert guest.state == "shut off"


def test_a_guest_that_is_off_or_not_there_is_left_alone(guest, monkeypatch):
    guest.hypervisor.destroy(NODE1.domain)
    for method in ("press_power_button", "destroy"):
        forbid(monkeypatch, guest, method)
    assert not guest.off().changed
    guest.hypervisor.undefine(NODE1.domain)
    assert not guest.off().changed
    assert guest.asked == 0


def test_a_dry_run_tells_and_does_nothing(guest):
    done = guest.off(dry=True)
    assert (done.changed, done.diff) == (True, "- running lab-node1")
    assert (guest.state, guest.asked) == ("running", 0)


def test_a_domain_without_our_mark_runs_on(guest):
    guest.hypervisor.destroy(NODE1.domain)
    guest.hypervisor.undefine(NODE1.domain)
    Guest(guest.hypervisor, metadata="")
    with pytest.raises(ForeignObjectError):
        guest.off()
    assert guest.state == "running"
