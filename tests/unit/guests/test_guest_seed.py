"""A seed holds a private key: readable for one user while it is needed, and then gone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.libvirt.domains import DomainState, LibvirtError
from farswitch.guests.base_image import BaseImage
from farswitch.guests.config import wanted_configs
from farswitch.guests.domain import Hardware, Mark, read_mark, render, seed_volume
from farswitch.guests.wait_ready import BootError
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete
from tasks import vm_boot

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
NODE2 = CLUSTER.guests[1]
CONFIG = wanted_configs(CLUSTER, complete(None, CLUSTER))[NODE2.name]
HARDWARE = Hardware("qemu", 1450, "/pool", BaseImage("base-own-0123456789abcdef", "/pool", ""))
SEED = seed_volume(NODE2)
QEMU = (64055, 64055)


class Hypervisor:
    """Volumes with their modes, and one domain."""

    def __init__(self, *, starts: bool = True) -> None:
        self.volumes: dict[str, int] = {}
        self.xml = ""
        self.started_with: list[dict[str, int]] = []
        self.starts = starts
        self.runs = False
        self.suspended = False

    def qemu_user(self):
        return QEMU

    def pool(self, name):
        return None

    def volume(self, pool, name, *, anew=False):
        return None

    def is_suspended(self, name):
        return self.suspended

    def discard_suspended(self, name):
        self.suspended = False

    def domain(self, name):
        state = "running" if self.runs else "shut off"
        return DomainState(name, "uuid", state, True, self.xml, "", "") if self.xml else None

    def define(self, xml):
        self.xml = xml

    def destroy(self, name):
        self.runs = False

    def start(self, name):
        self.started_with.append(dict(self.volumes))
        if not self.starts:
            raise LibvirtError("server1", "domain", OSError("no"))
        if SEED in self.xml and SEED not in self.volumes:
            raise AssertionError("libvirt does not start a domain without its volume")
        self.runs = True

    def create_overlay(self, pool, name, *, backing, capacity, owner):
        assert owner == QEMU
        self.volumes[name] = 0o600

    def upload(self, pool, name, content, size, *, mode=0o644, owner=None):
        assert owner == QEMU
        self.volumes[name] = mode

    def delete_volume(self, pool, name):
        return self.volumes.pop(name, None) is not None


class Silent:
    """The hypervisor's shell, which has no console's log."""

    def run(self, argv, *, check):
        return SimpleNamespace(status=1, stdout="")


@pytest.fixture
def run(monkeypatch):
    """Return the function that runs the task with how the guest's boot ends."""

    def boot(hypervisor: Hypervisor, failure: Exception | None = None) -> None:
        def bring_up(_task, _boot, mark, _actions):
            if failure:
                raise failure
            return mark, []

        monkeypatch.setattr(vm_boot, "bring_up", bring_up)
        monkeypatch.setattr(vm_boot, "libvirt", lambda _host: hypervisor)
        monkeypatch.setattr(vm_boot, "shell", lambda _host: Silent())
        monkeypatch.setattr(vm_boot, "is_damaged", lambda *_: False)
        task = SimpleNamespace(host=Host("node2"), is_dry_run=lambda _dry: False)
        vm_boot.vm_boot(task, NODE2, Host("server1"), HARDWARE, CONFIG)

    return boot


def test_the_seed_is_there_for_qemu_alone_and_goes_with_the_boot(run):
    hypervisor = Hypervisor()
    run(hypervisor)
    (there,) = hypervisor.started_with
    assert there[SEED] == 0o600
    assert SEED not in hypervisor.volumes
    assert SEED not in hypervisor.xml


def test_a_guest_that_was_suspended_has_its_seed_while_it_starts(run):
    hypervisor = Hypervisor()
    mark = Mark(CLUSTER.name, "node2", "ready", HARDWARE.image.name, disk=3)
    hypervisor.xml = render(NODE2, mark, HARDWARE, seed=False)
    hypervisor.suspended = True
    run(hypervisor)
    (there,) = hypervisor.started_with
    assert there == {SEED: 0o600}
    assert hypervisor.suspended, "its memory is what it goes on with"
    assert hypervisor.volumes == {}


@pytest.mark.parametrize("state", ["new", "failed"])
def test_a_guest_that_gets_a_new_disk_does_not_go_on_with_its_old_memory(run, state):
    hypervisor = Hypervisor()
    mark = Mark(CLUSTER.name, "node2", state, HARDWARE.image.name, disk=3)
    hypervisor.xml = render(NODE2, mark, HARDWARE, seed=True)
    hypervisor.suspended = True
    run(hypervisor)
    assert not hypervisor.suspended


@pytest.mark.parametrize("state", ["new", "stuck"])
@pytest.mark.parametrize("starts", [True, False])
def test_a_boot_that_fails_leaves_no_seed_and_the_next_one_goes_on(run, state, starts):
    hypervisor = Hypervisor(starts=starts)
    if state == "stuck":  # it was ready once, runs, and gets its seed again
        mark = Mark(CLUSTER.name, "node2", "stuck", HARDWARE.image.name, disk=3)
        hypervisor.xml = render(NODE2, mark, HARDWARE, seed=False)
        hypervisor.runs = True
    with pytest.raises(BootError):
        run(hypervisor, BootError(NODE2, "ssh", "No login.", []))
    (there,) = hypervisor.started_with
    assert SEED in there
    assert SEED not in hypervisor.volumes
    assert SEED not in hypervisor.xml, "a domain that names a missing volume does not start"
    assert read_mark(hypervisor.xml).state == state
    hypervisor.starts = True
    run(hypervisor)
    assert read_mark(hypervisor.xml).state == "ready"
    assert SEED not in hypervisor.volumes
