"""A removal of guests that is cut off between their disks and their definitions."""

from types import SimpleNamespace

import pytest

from farswitch.connections.libvirt.domains import MARK_URI
from farswitch.guests.boot_plan import DOOMED
from farswitch.guests.domain import read_mark
from farswitch.model.owner import Owner
from tasks import vm_remove

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
        return SimpleNamespace(name=name, xml=self.xml, active=False)

    def volumes(self, _pool):
        return [SimpleNamespace(name="lab.node1.3.qcow2", ours=True)]

    def destroy(self, _name):
        return True

    def define(self, xml):
        self.xml = xml

    def delete_volume(self, _pool, _name):
        raise CutError


def test_the_next_build_makes_the_guest_anew(monkeypatch):
    hypervisor = Hypervisor()
    monkeypatch.setattr(vm_remove, "libvirt", lambda _task: hypervisor)
    monkeypatch.setattr(vm_remove, "shell", lambda _task: None)
    task = SimpleNamespace(is_dry_run=lambda _asked: False)
    with pytest.raises(CutError):
        vm_remove.vm_remove(task, Owner("lab"), "farswitch")
    mark = read_mark(hypervisor.xml)
    assert mark is not None
    assert mark.state in DOOMED
    assert (mark.cluster, mark.guest, mark.disk) == ("lab", "node1", 3)
