"""How many guests of a hypervisor boot at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Host, Hosts, Inventory
from nornir.plugins.runners import ThreadedRunner

from farswitch.errors import FarswitchError
from farswitch.guests.base_image import BaseImage
from farswitch.guests.boot_plan import Action, boots_at_once
from farswitch.guests.domain import Hardware
from farswitch.model.cluster import cluster
from farswitch.run.cli import Options
from farswitch.run.session import Session
from farswitch.run.stages import guests
from farswitch.site.loader import ROOT, load_site
from tasks import vm_boot
from workflows.build import guest_steps

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), 6)
AT_ONCE = 2


@pytest.mark.parametrize(
    ("wanted", "processors", "most"),
    [
        pytest.param(None, 2, 4, id="auto-twice-the-processors"),
        pytest.param(None, 0, 2, id="auto-of-a-server-that-names-none"),
        pytest.param(1, 64, 1, id="one-by-one"),
        pytest.param(9, 2, 9, id="more-than-auto"),
    ],
)
def test_it_follows_from_the_processors_unless_the_site_says_it(
    wanted: int | None, processors: int, most: int
) -> None:
    settings = CLUSTER.settings.model_copy(update={"boots_at_once": wanted})
    assert boots_at_once(settings, processors) == most


class Boots:
    """Boots that last until as many are under way as may be at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, actions: Sequence[Action]) -> None:
        self.full = threading.Barrier(AT_ONCE)
        self.under_way = self.most = 0
        self._lock = threading.Lock()
        for name, stand_in in {
            "libvirt": lambda _host: None,
            "shell": lambda _host: None,
            "observe": lambda *_: None,
            "plan": lambda *_, **__: list(actions),
            "apply": self.begin,
            "bring_up": self.end,
        }.items():
            monkeypatch.setattr(vm_boot, name, stand_in)
        monkeypatch.setattr(vm_boot.Boot, "definition", lambda *_: "")
        monkeypatch.setattr(vm_boot.Boot, "settle", lambda *_: None)

    def begin(self, *_: object) -> None:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)

    def end(self, *_: object) -> tuple[None, list[str]]:
        self.full.wait(30)
        with self._lock:
            self.under_way -= 1
        return None, []

    def run(self, turns: threading.Semaphore) -> list[dict[str, float]]:
        """Boot all guests of the cluster, and return what each boot's steps took."""
        hosts = Hosts({guest.name: Host(guest.name) for guest in CLUSTER.guests})
        nornir = Nornir(Inventory(hosts), runner=ThreadedRunner(len(hosts)))
        hardware = Hardware("kvm", 1450, "/pool", BaseImage("base-own-0", "/pool", ""))
        results = nornir.run(
            vm_boot.vm_boot, guest=CLUSTER.head, hypervisor=Host("server1"), hardware=hardware,
            turns=turns,
        )  # fmt: skip
        assert not results.failed
        return [result[0].result for result in results.values()]


def test_guests_wait_for_their_turn_to_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    boots = Boots(monkeypatch, ["create"])
    took = boots.run(threading.Semaphore(AT_ONCE))
    assert (boots.most, boots.under_way) == (AT_ONCE, 0)
    assert all("turn" in one for one in took)


def test_guests_that_run_already_take_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    took = Boots(monkeypatch, ["redefine"]).run(threading.Semaphore(0))
    assert all("turn" not in one for one in took)


def test_a_boot_that_fails_ends_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FarswitchError("no")

    boots, turns = Boots(monkeypatch, ["create"]), threading.Semaphore(1)
    monkeypatch.setattr(vm_boot, "bring_up", fail)
    monkeypatch.setattr(vm_boot, "_withdraw_seed", lambda *_: None)
    with pytest.raises(AssertionError):
        boots.run(turns)
    assert boots.most == len(CLUSTER.guests), "none of them waits for ever"
    assert turns.acquire(blocking=False)


def test_guests_of_one_hypervisor_share_its_turns(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "hosts.yaml").write_text(
        "server1: {hostname: 198.51.100.1, groups: [hypervisor]}\n"
        "server3: {hostname: 198.51.100.3, groups: [hypervisor]}\n"
        "server2: {hostname: 198.51.100.2, groups: [switch]}\n"
        "node[1-2]: {groups: [guest]}\n"
        "node3: {groups: [guest], data: {hypervisor: server3}}\n"
    )
    (folder / "groups.yaml").write_text("")
    (folder / "defaults.yaml").write_text("data: {cluster: test}\n")
    with Session("build", Options(site=str(folder), log="/dev/null"), quiet=True) as session:
        for server, processors in {"server1": 1, "server3": 3}.items():
            found = SimpleNamespace(processors=processors)
            session.recorder.results["preflight", server] = found
        boot, _ = guest_steps(session, 1450)
        turns = boot.arguments["turns"]
        one, two, three = (turns.of(host) for host in session.hosts(guests))
        assert one is two
        assert [sum(each.acquire(blocking=False) for _ in range(9)) for each in (one, three)] == [
            2, 6
        ]  # fmt: skip
