"""The connection itself: how it is opened, by whom, and what is left of it."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nornir.core.inventory import ConnectionOptions, Host

from farswitch.connections import access
from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor, Libvirt
from farswitch.connections.libvirt.ssh_folder import SshFolder
from farswitch.connections.libvirt.uri import remote_uri, ssh_program
from farswitch.connections.shell.target import Target
from farswitch.errors import ConfigError


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


def server(**changes: object) -> Target:
    return Target(**{"host": "s", "hostname": "h", **changes})


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
    given = server(known_hosts=(Path("/k/known 100% hosts"),), key_file=Path("/k/it's"))
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
    monkeypatch.setattr(
        "farswitch.connections.libvirt.plugin.remote_uri", lambda *_: f"test://{node}"
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "farswitch-ssh-dead").mkdir()
    (tmp_path / "farswitch-ssh-dead/ssh").touch()
    (tmp_path / "farswitch-ssh-theirs").mkdir()
    (tmp_path / "farswitch-ssh-theirs/file").touch()
    living, plugin = SshFolder(), Libvirt()
    living.program.touch()
    plugin.open(hostname="h")
    (program,) = set(tmp_path.glob("farswitch-ssh-*/ssh")) - {living.program}
    assert program.stat().st_mode & 0o777 == 0o700
    assert program.parent.stat().st_mode & 0o777 == 0o700
    assert plugin.connection.list_domains() == ()
    assert living.program.exists()
    living.close()
    plugin.close()
    assert [one.name for one in tmp_path.glob("farswitch-*")] == ["farswitch-ssh-theirs"]


@pytest.mark.parametrize(
    ("parameters", "extras"),
    [
        ({"password": "secret"}, {}),
        ({}, {"host_key": "ssh-ed25519 AAAA"}),
        ({}, {"private_key": "secret"}),
        ({}, {"jump": Host("server0")}),
    ],
    ids=["password", "host_key", "private_key", "jump"],
)
def test_an_option_that_ssh_has_no_use_for_is_refused_unless_there_is_a_uri(
    tmp_path, monkeypatch, parameters, extras
):
    monkeypatch.setattr("farswitch.connections.libvirt.plugin.ssh_program", pytest.fail)
    (name,) = {**parameters, **extras}
    with pytest.raises(ConfigError, match=f"'libvirt' to 'h' cannot use '{name}'") as caught:
        Libvirt().open(hostname="h", **parameters, extras=extras)
    assert "secret" not in str(caught.value)
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    plugin = Libvirt()
    plugin.open(hostname="h", **parameters, extras={**extras, "uri": f"test://{node}"})
    assert plugin.connection.list_domains() == ()
    plugin.close()


def test_many_threads_open_a_hosts_connection_once(tmp_path, monkeypatch):
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    monkeypatch.setattr("farswitch.connections.libvirt.plugin.LOCAL_URI", f"test://{node}")
    access.register()
    access.register()
    host = Host("server1")
    host.connection_options = {}
    host.connection_options["libvirt"] = ConnectionOptions(extras={"local": True})
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: access.libvirt(host), range(64)))
    host.close_connections()
    assert len(found) == 1
