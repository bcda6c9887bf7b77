"""Against libvirt's test driver: each connection to a file is an empty hypervisor of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nornir.core.inventory import ConnectionOptions, Host

from connections import access, volumes
from connections.libvirt import Hypervisor, Libvirt, LibvirtError
from connections.scratch import Scratch
from connections.uri import remote_uri, ssh_program
from inventory.errors import ForeignObjectError
from inventory.model import Server

DOMAIN = """\
<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os>
<metadata>{metadata}</metadata></domain>"""


def mark(cluster: str, guest: str) -> str:
    return f'<f:mark xmlns:f="urn:farswitch:1" cluster="{cluster}" guest="{guest}"/>'


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[Hypervisor]:
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    hypervisor = Hypervisor("server1", f"test://{node}")
    yield hypervisor
    hypervisor.close()


def define(hypervisor: Hypervisor, name: str, metadata: str = "") -> None:
    hypervisor.define(DOMAIN.format(name=name, metadata=metadata))


def test_an_unknown_domain_is_none(hypervisor):
    assert hypervisor.domain("node1") is None


def test_a_domain_goes_from_defined_to_running_to_off_to_forgotten(hypervisor):
    define(hypervisor, "node1")
    assert hypervisor.domain("node1").state == "shut off"
    assert not hypervisor.domain("node1").active
    assert hypervisor.start("node1")
    assert hypervisor.domain("node1").state == "running"
    assert hypervisor.domain("node1").active
    assert hypervisor.destroy("node1")
    assert hypervisor.domain("node1").state == "shut off"
    assert hypervisor.undefine("node1")
    assert hypervisor.domain("node1") is None


def test_a_suspended_domain_is_known_and_its_memory_can_be_discarded(hypervisor):
    assert not hypervisor.is_suspended("node1")
    define(hypervisor, "node1")
    hypervisor.start("node1")
    assert not hypervisor.discard_suspended("node1")
    hypervisor.connection().lookupByName("node1").managedSave()
    assert hypervisor.is_suspended("node1")
    assert hypervisor.discard_suspended("node1")
    assert not hypervisor.is_suspended("node1")
    assert hypervisor.undefine("node1")


def test_what_is_done_already_is_no_error(hypervisor):
    define(hypervisor, "node1")
    hypervisor.start("node1")
    assert not hypervisor.start("node1")
    hypervisor.destroy("node1")
    assert not hypervisor.destroy("node1")
    hypervisor.undefine("node1")
    assert not hypervisor.undefine("node1")
    assert not hypervisor.destroy("node1")


def test_our_mark_is_read_back_and_others_have_none(hypervisor):
    define(hypervisor, "lab-node1", mark("lab", "node1"))
    define(hypervisor, "other")
    ours, other = hypervisor.list_domains()
    assert (ours.name, ours.cluster, ours.guest) == ("lab-node1", "lab", "node1")
    assert (other.name, other.cluster, other.guest) == ("other", None, None)
    assert ours.persistent


def test_an_error_names_the_server_and_the_domain(hypervisor, capfd):
    with pytest.raises(LibvirtError, match=r"'server1'.*'nobody'") as caught:
        hypervisor.start("nobody")
    assert "virsh start nobody" in caught.value.hint
    assert capfd.readouterr().err == ""


def test_counters_of_an_interface(hypervisor):
    xml = DOMAIN.format(name="node1", metadata="").replace(
        "</domain>",
        "<devices><interface type='ethernet'><target dev='fsd41' managed='no'/></interface>"
        "</devices></domain>",
    )
    hypervisor.define(xml)
    hypervisor.start("node1")
    assert hypervisor.interface_stats("node1", "fsd41").rx_bytes >= 0
    with pytest.raises(LibvirtError, match="fsd42"):
        hypervisor.interface_stats("node1", "fsd42")


def test_many_threads_share_one_connection(hypervisor):
    def life(number: int) -> str:
        name = f"node{number}"
        define(hypervisor, name, mark("lab", name))
        hypervisor.start(name)
        state = hypervisor.domain(name)
        hypervisor.destroy(name)
        return state.guest if state.state == "running" else "-"

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(life, range(100)))
    assert names == [f"node{number}" for number in range(100)]
    assert len(hypervisor.list_domains()) == 100


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
    assert not hypervisor.owns_pool("default")
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


def test_a_server_without_libvirt_is_named():
    with pytest.raises(LibvirtError, match="server9"):
        Hypervisor("server9", "qemu+unix:///system?socket=/nonexistent")


def test_a_connection_that_was_lost_is_made_anew(hypervisor):
    class Dead:
        def isAlive(self) -> int:  # noqa: N802 - libvirt's name
            return 0

        def close(self) -> None:
            closed.append(self)

    closed: list[Dead] = []
    alive, hypervisor._connection = hypervisor._connection, Dead()
    alive.close()
    assert hypervisor.list_domains() == ()
    assert len(closed) == 1


def server(**changes: object) -> Server:
    settings = {"name": "s", "role": "hypervisor", "hostname": "h", "underlay": "198.51.100.1"}
    return Server(**{**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, "qemu+ssh://root@h:22/system?"),
        ({"user": "a b@c", "port": 2222}, "qemu+ssh://a%20b%40c@h:2222/system?"),
        ({"hostname": "fe80::1"}, "qemu+ssh://root@[fe80::1]:22/system?"),
    ],
)
def test_the_uri_of_a_server_is_encoded(changes, start):
    uri = remote_uri(server(**changes), Path("/tmp/a b&c/ssh"))
    assert uri == f"{start}command=%2Ftmp%2Fa%20b%26c%2Fssh&no_tty=1"


def test_ssh_is_told_to_check_the_host_key_of_the_given_file(tmp_path):
    given = server(known_hosts=Path("/k/known 100% hosts"), key_file=Path("/k/it's"))
    program = tmp_path / "ssh"
    program.write_text(ssh_program(given))
    asked = subprocess.run(
        ["sh", program, "-G", "nobody@host.invalid"], capture_output=True, text=True, check=True
    )
    settings = dict(line.split(" ", 1) for line in asked.stdout.splitlines())
    assert settings["stricthostkeychecking"] == "true"
    assert settings["batchmode"] == "yes"
    assert settings["identitiesonly"] == "yes"
    assert settings["identityfile"] == "/k/it's"
    assert settings["userknownhostsfile"] == "/k/known 100% hosts"


def test_the_plugin_connects_and_cleans_up_also_after_a_run_that_was_killed(tmp_path, monkeypatch):
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    monkeypatch.setattr("connections.libvirt.remote_uri", lambda *_: f"test://{node}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "farswitch-ssh-dead").mkdir()
    (tmp_path / "farswitch-ssh-dead/ssh").touch()
    (tmp_path / "farswitch-ssh-theirs").mkdir()
    (tmp_path / "farswitch-ssh-theirs/file").touch()
    living, plugin = Scratch(), Libvirt()
    living.program.touch()
    plugin.open(extras={"server": server()})
    (program,) = set(tmp_path.glob("farswitch-ssh-*/ssh")) - {living.program}
    assert program.stat().st_mode & 0o777 == 0o700
    assert program.parent.stat().st_mode & 0o777 == 0o700
    assert plugin.connection.list_domains() == ()
    assert living.program.exists()
    living.close()
    plugin.close()
    assert [one.name for one in tmp_path.glob("farswitch-*")] == ["farswitch-ssh-theirs"]


def test_many_threads_open_a_hosts_connection_once(tmp_path, monkeypatch):
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    monkeypatch.setattr("connections.libvirt.LOCAL_URI", f"test://{node}")
    access.register()
    access.register()
    host = Host("server1")
    host.connection_options = {}
    host.connection_options["libvirt"] = ConnectionOptions(extras={"server": server(local=True)})
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: access.libvirt(host), range(64)))
    host.close_connections()
    assert len(found) == 1
