"""A removal of guests that is cut off between their disks and their definitions."""

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.libvirt.domains import MARK_URI, DomainState
from farswitch.connections.libvirt.pools import PoolState
from farswitch.connections.shell.protocol import Completed
from farswitch.guests.base_image import BaseImage
from farswitch.guests.boot_plan import DOOMED
from farswitch.guests.domain import Hardware, read_mark
from farswitch.model.machines import Guest
from farswitch.model.owner import Owner
from farswitch.model.settings import Settings
from tasks import vm_boot, vm_remove

XML = f"""<domain><name>lab-node1</name><metadata>
<m:mark xmlns:m="{MARK_URI}" cluster="lab" guest="node1" state="ready" image="i" disk="3"/>
</metadata><devices/></domain>"""


class CutError(Exception):
    """The end of the run."""


class Hypervisor:
    """One guest with one volume, whose removal is as far as the run comes."""

    xml = XML

    def list_domains(self):
        return (self.domain("lab-node1"),)

    def domain(self, name):
        return DomainState(name, "uuid", "shut off", True, self.xml, "lab", "node1")

    def pool(self, name):
        return PoolState(name, "/pool", active=True, autostart=True, made=1)

    def start_pool(self, _name):
        return False

    def volumes(self, _pool):
        return [SimpleNamespace(name="lab.node1.3.qcow2", ours=True)]

    def destroy(self, _name):
        return True

    def define(self, xml):
        self.xml = xml

    def delete_volume(self, _pool, _name):
        raise CutError


class Server:
    """A server without timers."""

    def run(self, argv, **_more):
        return Completed(argv, 0, "", "")


NODE1 = Guest("node1", 1, "server1", Settings(cluster="lab"))
HARDWARE = Hardware("qemu", 1450, "/pool", BaseImage("base-own-0", "/pool", ""))


@pytest.mark.parametrize(
    "remove",
    [
        lambda task: vm_remove.vm_remove(task, Owner("lab"), "farswitch"),
        lambda task: vm_boot.vm_boot(task, NODE1, Host("server1"), HARDWARE, present=False),
    ],
    ids=["of-its-cluster", "alone"],
)
def test_the_next_build_makes_the_guest_anew(monkeypatch, remove):
    hypervisor = Hypervisor()
    for module in (vm_remove, vm_boot):
        monkeypatch.setattr(module, "libvirt", lambda _where: hypervisor)
        monkeypatch.setattr(module, "shell", lambda _where: Server())
    with pytest.raises(CutError):
        remove(SimpleNamespace(is_dry_run=lambda _asked: False))
    mark = read_mark(hypervisor.xml)
    assert mark is not None
    assert mark.state in DOOMED
    assert (mark.cluster, mark.guest, mark.disk) == ("lab", "node1", 3)
