from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nornir import InitNornir
from nornir.core import Nornir
from nornir.core.inventory import ConnectionOptions, Host
from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.connections.shell.keys import generate
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError
from farswitch.connections.shell.ssh import SshShell
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import ConfigError, FarswitchError
from tests.held import nothing_left
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]


def fingerprint(public: str) -> str:
    """As OpenSSH prints it (ssh-keygen -l)."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def refused(target) -> Exception:
    shell = SshShell(target)
    with pytest.raises((ConnectionLostError, HostKeyError)) as caught:
        shell.open()
    shell.close()
    return caught.value


def test_a_changed_host_key_is_refused_with_both_fingerprints(sshd):
    old = generate("old")
    known = sshd.folder / "known"
    known.write_text(f"[127.0.0.1]:{sshd.port} {old.public}\n")
    error = refused(sshd.target())
    assert isinstance(error, HostKeyError)
    assert (error.host, error.found) == ("server1", fingerprint(sshd.host.public))
    assert error.wanted == fingerprint(old.public)
    assert error.found in str(error)
    assert error.wanted in str(error)
    assert "ssh-keygen -R" in error.hint
    assert known.read_text().count("\n") == 1


def test_an_unknown_host_key_is_refused_and_not_learnt(sshd):
    known = sshd.folder / "known"
    known.write_text("")
    error = refused(sshd.target())
    assert isinstance(error, HostKeyError)
    assert (error.found, error.wanted) == (fingerprint(sshd.host.public), "")
    assert known.read_text() == ""
    assert sshd.logins == 0


def test_without_any_known_hosts_file_nothing_is_trusted(sshd, tmp_path):
    error = refused(sshd.target(known_hosts=(tmp_path / "absent",)))
    assert isinstance(error, HostKeyError)


def test_a_key_that_the_server_does_not_know_is_refused(sshd):
    error = refused(sshd.target(private_key=generate("other").private))
    assert isinstance(error, ConnectionLostError)
    assert "authorized_keys" in error.hint


def test_a_missing_key_file_is_named(sshd, tmp_path):
    error = refused(sshd.target(key_file=tmp_path / "no-key"))
    assert str(error) == f"No connection to 'server1': there is no key file '{tmp_path}/no-key'"
    assert "key_file" in getattr(error, "hint", "")


def test_a_closed_port_is_an_error_at_once(sshd):
    started = time.monotonic()
    sshd.stop()
    error = refused(sshd.target())
    assert "server1" in str(error)
    assert time.monotonic() - started < 15


def test_a_server_that_accepts_and_says_nothing_is_an_error_in_time(monkeypatch, sshd):
    monkeypatch.setattr("farswitch.connections.shell.login.LOGIN_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        error = refused(sshd.target(port=silent.getsockname()[1]))
    assert time.monotonic() - started < 15
    assert isinstance(error, ConnectionLostError)
    assert "in time" in str(error)


def test_a_server_that_hangs_up_is_an_error(monkeypatch, sshd):
    monkeypatch.setattr("farswitch.connections.shell.login.REFUSED_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            accepted, _ = rude.accept()
            accepted.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        error = refused(sshd.target(port=rude.getsockname()[1]))
        thread.join()
    assert isinstance(error, ConnectionLostError)


def test_fifty_logins_leave_no_descriptor_and_no_thread(sshd):
    with nothing_left():
        for _ in range(50):
            shell = SshShell(sshd.target())
            shell.run(["true"])
            shell.close()
    assert sshd.logins == 50


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("given", ["key_file", "private_key"])
@pytest.mark.parametrize("armour", ["RFC4716", "PEM"])
def test_a_key_of_each_kind_is_taken_and_where_it_is_unknown_said_to_be_refused(
    sshd, kind, given, armour
):
    key = sshd.folder / kind
    command = ["ssh-keygen", "-q", "-t", kind, "-m", armour, "-N", "", "-f", str(key)]
    LocalShell("here").run(command)
    ways = {"key_file": {"key_file": key}, "private_key": {"private_key": key.read_text()}}
    error = refused(sshd.target(**ways[given]))
    assert f"user 'root' was refused at [127.0.0.1]:{sshd.port}: Authentication" in str(error)
    name = {"key_file": f"the key '{key}'", "private_key": "`private_key`"}[given]
    assert f"the public half of {name} into ~root/" in getattr(error, "hint", "")
    with (sshd.folder / "authorized").open("a") as authorized:
        authorized.write(key.with_suffix(".pub").read_text())
    shell = SshShell(sshd.target(**ways[given]))
    assert shell.run(["true"]).status == 0
    shell.close()


@pytest.mark.parametrize("given", ["key_file", "private_key"])
def test_a_key_that_is_none_is_named(sshd, given):
    key = sshd.folder / "nonsense"
    key.write_bytes(b"\xff is no key")
    ways = {"key_file": {"key_file": key}, "private_key": {"private_key": "secret"}}
    name = {"key_file": f"the key file '{key}'", "private_key": "`private_key`"}[given]
    error = refused(sshd.target(**ways[given]))
    assert f": {name} is no ed25519, ECDSA or RSA key" in str(error)
    assert "secret" not in str(error)


def test_a_key_file_that_cannot_be_read_is_named(sshd, tmp_path):
    error = refused(sshd.target(key_file=tmp_path))
    assert f"the key file '{tmp_path}' cannot be read: Is a directory" in str(error)


def test_a_certificate_beside_the_key_file_is_shown(make_sshd, tmp_path):
    authority, key = tmp_path / "authority", tmp_path / "key"
    local = LocalShell("here")
    for path in (authority, key):
        local.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)])
    local.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", "root", f"{key}.pub"])
    sshd = make_sshd("certified", more=f"TrustedUserCAKeys {authority}.pub")
    shell = SshShell(sshd.target(key_file=key))
    assert shell.run(["true"]).status == 0
    shell.close()


def test_an_rsa_key_file_and_a_second_known_name_work(sshd):
    key = sshd.folder / "rsa"
    LocalShell("here").run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(key)])
    with (sshd.folder / "authorized").open("a") as authorized:
        authorized.write((sshd.folder / "rsa.pub").read_text())
    known = sshd.folder / "known"
    known.write_text(f"other,[127.0.0.1]:{sshd.port} {sshd.host.public}\n")
    LocalShell("here").run(["ssh-keygen", "-q", "-H", "-f", str(known)])
    assert "127.0.0.1" not in known.read_text()
    shell = SshShell(sshd.target(key_file=key))
    assert shell.run(["true"]).status == 0
    shell.close()


NOT_UNDERSTOOD = {
    "certificate": "@cert-authority *.corp.example {key}\n",
    "cut": "[127.0.0.1]:{port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIBJDv\n",
    "unknown type": "[127.0.0.1]:{port} ssh-new AAAA\n",
    "one word": "nonsense\n",
    "another's": "198.51.100.7 {key}\n",
}


@pytest.mark.parametrize("line", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_a_line_of_known_hosts_that_says_nothing_is_passed_over_as_by_ssh(sshd, line):
    known = sshd.folder / "known"
    known.write_text(line.format(port=sshd.port, key=sshd.host.public) + known.read_text())
    shell = SshShell(sshd.target())
    assert shell.run(["true"]).status == 0
    shell.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.*", "[127.0.0.?]:{port}"])
def test_a_host_is_known_by_the_spellings_that_ssh_takes(sshd, name):
    known = sshd.folder / "known"
    known.write_text(f"{name.format(port=sshd.port)} {sshd.host.public}\n")
    shell = SshShell(sshd.target())
    assert shell.run(["true"]).status == 0
    shell.close()


def test_a_revoked_host_key_is_refused(sshd):
    known = sshd.folder / "known"
    known.write_text(known.read_text() + f"@revoked * {sshd.host.public}\n")
    error = refused(sshd.target())
    assert isinstance(error, HostKeyError)
    assert sshd.logins == 0


def test_a_host_key_that_is_none_is_named(sshd):
    with pytest.raises(ConfigError, match="'nonsense', wanted 'ssh-ed25519"):
        SshShell(sshd.target(pinned="nonsense")).open()


@pytest.fixture
def encrypted(sshd) -> Path:
    """The user's key file, with a passphrase and without its public half beside it."""
    key: Path = sshd.folder / "key"
    LocalShell("here").run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(key)])
    return key


def test_a_key_with_a_passphrase_is_taken_from_the_agent(sshd, encrypted, monkeypatch):
    agent, key = sshd.folder / "agent", sshd.folder / "open"
    key.write_text(sshd.user.private)
    key.chmod(0o600)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.DEVNULL)
    try:
        wait_until(agent.exists, Deadline(60), what="The agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True)
        shell = SshShell(sshd.target(key_file=encrypted))
        assert shell.run(["true"]).status == 0
        shell.close()
    finally:
        process.terminate()
        process.wait()


def test_a_key_with_a_passphrase_that_no_agent_has_is_named(sshd, encrypted, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    error = refused(sshd.target(key_file=encrypted))
    assert isinstance(error, ConnectionLostError)
    assert f"'{encrypted}' is encrypted" in str(error)
    assert error.hint == f"ssh-add '{encrypted}'"


def test_a_default_key_with_a_passphrase_that_no_agent_has_is_named(sshd, encrypted, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(sshd.folder))
    (sshd.folder / ".ssh").mkdir()
    encrypted.rename(sshd.folder / ".ssh/id_ed25519")
    error = refused(sshd.target(key_file=None))
    assert isinstance(error, ConnectionLostError)
    assert "your key in ~/.ssh is encrypted" in str(error)
    assert error.hint == "ssh-add"


def test_a_passphrase_is_not_asked_for_a_key_that_is_given_itself(sshd, encrypted):
    error = refused(sshd.target(private_key=encrypted.read_text()))
    assert isinstance(error, ConnectionLostError)
    assert str(error).endswith(": `private_key` is encrypted")
    assert "without a passphrase" in error.hint


def test_a_password_may_be_the_key_files_passphrase(sshd, encrypted):
    shell = SshShell(sshd.target(key_file=encrypted, password="secret"))
    assert shell.run(["true"]).status == 0
    shell.close()
    error = refused(sshd.target(key_file=encrypted, password="other"))
    assert "user 'root' was refused" in str(error)


def test_a_server_that_forwards_nothing_is_named_with_the_setting(make_sshd):
    shell = SshShell(make_sshd("closed", more="AllowTcpForwarding no").target())
    with pytest.raises(ConnectionLostError, match="does not reach") as caught:
        shell.channel("127.0.0.1", 22, timeout=60)
    assert "AllowTcpForwarding" in caught.value.hint
    shell.close()


def simple(tmp_path: Path, **hosts: dict[str, Any]) -> Nornir:
    """A Nornir of a user's own, whose inventory is a YAML file."""
    access.register()
    (tmp_path / "hosts.yaml").write_text(json.dumps(hosts))
    options = {"host_file": str(tmp_path / "hosts.yaml")}
    inventory = {"plugin": "SimpleInventory", "options": options}
    return InitNornir(inventory=inventory, logging={"enabled": False})


def login(sshd: Sshd, **extras: str) -> dict[str, Any]:
    """A host as its user writes it."""
    files = {"key_file": str(sshd.folder / "key"), "known_hosts": str(sshd.folder / "known")}
    options = {"extras": {**files, **extras}}
    return {
        "hostname": "127.0.0.1",
        "port": sshd.port,
        "username": "root",
        "connection_options": dict.fromkeys(("shell", "netlink", "libvirt"), options),
    }


@pytest.fixture
def hosts(make_sshd, tmp_path) -> Iterator[tuple[Host, Host]]:
    """A server and, behind its login, a guest: a second sshd."""
    far, near = make_sshd("server"), make_sshd("guest")
    nornir = simple(tmp_path, server1=login(far, name="server1"), node1=login(near))
    jump, guest = nornir.inventory.hosts.values()
    guest.connection_options["shell"].extras = {
        "name": "node1",
        "host_key": near.host.public,
        "private_key": near.user.private,
        "jump": jump,
    }
    guest.data = {"sshd": near}
    jump.data = {"sshd": far}
    yield jump, guest
    nornir.close_connections()


def test_any_inventory_reaches_a_host_by_all_its_connections_over_one_login(sshd, tmp_path):
    nornir = simple(tmp_path, mine=login(sshd))
    host = nornir.inventory.hosts["mine"]
    with host.get_connection("netlink", nornir.config).session() as ipr:
        assert ipr.link_lookup(ifname="lo") == [1]
    assert host.get_connection("shell", nornir.config).run(["echo", "hello"]).stdout == "hello\n"
    assert sshd.logins == 1
    host.close_connection("netlink")
    assert host.get_connection("shell", nornir.config).run(["true"]).status == 0
    assert sshd.logins == 1, "a login lives as long as one of its connections"
    host.close_connection("shell")
    wait_until(lambda: not sshd.children(), Deadline(60), what="The login's end")


def test_a_task_needs_the_options_of_the_shell_alone(sshd, tmp_path):
    host = login(sshd)
    del host["connection_options"]["netlink"]
    nornir = simple(tmp_path, mine=host)

    def loopback(task: Task) -> Result:
        with access.netlink(task).session() as ipr:
            return Result(task.host, result=ipr.link_lookup(ifname="lo"))

    with nornir:
        found = nornir.run(task=loopback)["mine"]
    assert (found.result, sshd.logins) == ([1], 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hostname": None}, "'mine' has no hostname"),
        ({"port": 70000}, "'mine' are wrong: 'port': Input should be less than or equal to 65535"),
    ],
)
def test_what_cannot_be_meant_is_named(sshd, tmp_path, changes, words):
    nornir = simple(tmp_path, mine=login(sshd, name="mine") | changes)
    with pytest.raises(ConfigError, match=words):
        nornir.inventory.hosts["mine"].get_connection("shell", nornir.config)
    assert sshd.logins == 0


@pytest.mark.parametrize("connection", ["shell", "netlink", "libvirt"])
def test_an_extra_that_nobody_knows_is_named_with_those_that_are(sshd, tmp_path, connection):
    nornir = simple(tmp_path, mine=login(sshd, keyfile="~/.ssh/id"))
    with pytest.raises(ConfigError, match="'keyfile': Extra inputs are not permitted") as caught:
        nornir.inventory.hosts["mine"].get_connection(connection, nornir.config)
    assert "key_file, known_hosts" in caught.value.hint


def test_a_guest_is_reached_through_its_servers_login(hosts):
    shell = access.shell(hosts[1])
    with ThreadPoolExecutor(10) as pool:
        told = list(pool.map(lambda n: shell.run(["echo", str(n)]).stdout, range(20)))
    assert told == [f"{n}\n" for n in range(20)]
    data = os.urandom(1 << 20).hex()
    assert shell.run(["cat"], stdin=data).stdout == data
    jump, guest = hosts
    assert (jump["sshd"].logins, guest["sshd"].logins) == (1, 1)


def test_a_guest_with_another_host_key_is_refused(hosts):
    _, guest = hosts
    wrong = generate("wrong")
    guest.connection_options["shell"].extras["host_key"] = wrong.public
    with pytest.raises(HostKeyError, match="node1") as caught:
        access.shell(guest)
    assert caught.value.wanted == fingerprint(wrong.public)


def test_a_guest_that_does_not_listen_names_the_way_to_it(hosts):
    jump, _ = hosts
    with pytest.raises(ConnectionLostError, match=r"'server1'.*127\.0\.0\.1 port 9"):
        access.shell(jump).channel("127.0.0.1", 9, timeout=60)


def test_a_guests_keys_must_be_known_before_its_first_login(hosts):
    _, guest = hosts
    guest.connection_options["shell"].extras |= {"host_key": "", "private_key": ""}
    with pytest.raises(FarswitchError, match="keys of guest 'node1' are not known"):
        access.shell(guest)


def test_many_threads_open_a_hosts_login_once(hosts):
    jump, _ = hosts
    with ThreadPoolExecutor(16) as pool:
        shells = set(pool.map(lambda _: access.shell(jump), range(64)))
    assert len(shells) == 1
    assert jump["sshd"].logins == 1


def test_netlink_uses_the_shells_login(hosts):
    jump, _ = hosts
    with access.netlink(jump).session() as ipr:
        assert ipr.link_lookup(ifname="lo") == [1]
    assert jump["sshd"].logins == 1


def test_a_local_server_needs_no_login():
    access.register()
    host = Host("here")
    host.connection_options = {"shell": ConnectionOptions(extras={"local": True})}
    assert isinstance(access.shell(host), LocalShell)
    host.close_connections()


def test_a_login_is_closed_also_where_the_one_that_it_runs_over_has_ended_first(hosts, monkeypatch):
    def ended(_message):
        raise EOFError

    _, guest = hosts
    login = access.shell(guest)
    login.run(["true"])
    way = login._login.transport.sock
    monkeypatch.setattr(way.transport, "_send_user_message", ended)
    guest.close_connection("shell")
    assert login._login is None
