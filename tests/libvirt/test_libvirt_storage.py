"""Pools and volumes, against libvirt's test driver."""

from __future__ import annotations

import pytest

from farswitch.connections.libvirt import volumes
from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.errors import ForeignObjectError


def test_a_pool_is_made_once_and_elsewhere_is_foreign(hypervisor):
    assert hypervisor.ensure_pool("farswitch", "/var/lib/pool")
    assert not hypervisor.ensure_pool("farswitch", "/var/lib/pool")
    with pytest.raises(ForeignObjectError, match="farswitch"):
        hypervisor.ensure_pool("farswitch", "/elsewhere")
    assert hypervisor.remove_pool("farswitch")
    assert not hypervisor.remove_pool("farswitch")


def test_a_pool_of_somebody_elses_is_used_and_never_removed(hypervisor):
    xml = "<pool type='dir'><name>default</name><target><path>/images</path></target></pool>"
    hypervisor.connection().storagePoolDefineXML(xml).create()
    assert not hypervisor.ensure_pool("default", "/images")
    assert not hypervisor.pool("default").ours
    assert not hypervisor.remove_pool("default")
    assert hypervisor.connection().storagePoolLookupByName("default").isActive()


def test_volumes_of_no_pool_are_none(hypervisor):
    assert hypervisor.volumes("farswitch") == ()
    assert not hypervisor.delete_volume("farswitch", "disk")


def listed(hypervisor: Hypervisor) -> list[str]:
    """Return the names of the volumes as libvirt has them, sidecars included."""
    pool = hypervisor.connection().storagePoolLookupByName("farswitch")
    return sorted(volume.name() for volume in pool.listAllVolumes())


def plant(hypervisor: Hypervisor, *names: str) -> None:
    """Make volumes as anybody may."""
    hypervisor.ensure_pool("farswitch", "/var/lib/pool")
    pool = hypervisor.connection().storagePoolLookupByName("farswitch")
    for name in names:
        pool.createXML(f"<volume><name>{name}</name><capacity>4096</capacity></volume>")


def test_volumes_come_and_go_with_their_sidecars(hypervisor):
    hypervisor.ensure_pool("farswitch", "/var/lib/pool")
    hypervisor.create_overlay("farswitch", "disk", "/var/lib/pool/base", 4096)
    (volume,) = hypervisor.volumes("farswitch")
    assert (volume.name, volume.capacity, volume.complete) == ("disk", 4096, True)
    assert volume.ours
    assert volume.path == "/var/lib/pool/disk"
    assert hypervisor.volume("farswitch", "disk") == volume
    assert listed(hypervisor) == ["disk", "disk.farswitch"]
    assert hypervisor.delete_volume("farswitch", "disk")
    assert not hypervisor.delete_volume("farswitch", "disk")
    assert listed(hypervisor) == []


@pytest.mark.parametrize(
    "broke_off",
    [
        pytest.param(["disk.farswitch"], id="before-anything"),
        pytest.param(["disk.farswitch", "disk.part"], id="before-its-volume"),
        pytest.param(["disk.farswitch", "disk.part", "disk"], id="in-its-bytes"),
    ],
)
def test_a_volume_that_broke_off_is_ours_not_complete_and_made_anew(hypervisor, broke_off):
    plant(hypervisor, *broke_off)
    (volume,) = hypervisor.volumes("farswitch")
    assert (volume.name, volume.complete, volume.ours) == ("disk", False, True)
    hypervisor.create_overlay("farswitch", "disk", "/var/lib/pool/base", 8192)
    (volume,) = hypervisor.volumes("farswitch")
    assert (volume.capacity, volume.complete) == (8192, True)
    assert hypervisor.delete_volume("farswitch", "disk")
    assert listed(hypervisor) == []


def test_a_volume_without_sidecar_is_somebody_elses_whatever_its_name(hypervisor):
    plant(hypervisor, "disk", "disk.part")
    found = hypervisor.volumes("farswitch")
    assert [(one.name, one.complete, one.ours) for one in found] == [
        ("disk", True, False),
        ("disk.part", True, False),
    ]
    for change in (
        lambda: hypervisor.delete_volume("farswitch", "disk"),
        lambda: hypervisor.create_overlay("farswitch", "disk", "/var/lib/pool/base", 8192),
        lambda: hypervisor.upload("farswitch", "disk", b"x", 1),
    ):
        with pytest.raises(ForeignObjectError, match="Volume 'disk' on server 'server1'"):
            change()
    assert hypervisor.volumes("farswitch") == found
    assert listed(hypervisor) == ["disk", "disk.part"]


def test_a_volume_that_goes_while_the_pool_is_listed_is_not_there(hypervisor, monkeypatch):
    hypervisor.ensure_pool("fs", "/fs")
    for name in ("kept", "gone"):
        hypervisor.create_overlay("fs", name, "/base", 1024)
    states = volumes._states

    def late(listed):
        hypervisor.connection().storagePoolLookupByName("fs").storageVolLookupByName(
            "gone"
        ).delete()
        return states(listed)

    monkeypatch.setattr(volumes, "_states", late)
    assert [one.name for one in hypervisor.volumes("fs")] == ["kept"]


def test_an_upload_that_libvirt_refuses_leaves_nothing(hypervisor):
    hypervisor.ensure_pool("farswitch", "/var/lib/pool")
    with pytest.raises(LibvirtError, match="disk"):  # the test driver has no streams
        hypervisor.upload("farswitch", "disk", b"x" * 4096, 4096)
    assert hypervisor.volumes("farswitch") == ()
    assert hypervisor.ensure_pool("farswitch", "/var/lib/pool") is False
