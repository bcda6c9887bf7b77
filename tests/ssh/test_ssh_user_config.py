"""The user's ssh configuration: commands, netlink and libvirt go the way that it says."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from farswitch.connections.libvirt.plugin import Libvirt
from farswitch.connections.netlink.plugin import Netlink
from farswitch.connections.shell import user_config
from farswitch.connections.shell.plugin import ShellConnection
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import ConfigError
from farswitch.model.machines import Server
from farswitch.run import ssh_config
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
Write = Callable[[str], None]
EMPTY = {
    "hostname": "server.invalid", "username": None, "password": None, "port": None,
    "platform": None, "configuration": None, "extras": {"name": "server1"},
}  # fmt: skip
"""What Nornir gives for a host whose inventory says nothing else."""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the user's configuration: ssh itself takes its place from the list of users."""
    config, program = tmp_path / "config", tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(text: str) -> None:
        config.write_text(text)
        config.chmod(0o600)
        user_config._read.cache_clear()

    yield write
    user_config._read.cache_clear()


def options(**changes: Any) -> dict[str, Any]:
    extras = {**EMPTY["extras"], **changes.pop("extras", {})}
    return {**EMPTY, **changes, "extras": extras}


def arrives(sshd: Sshd, **changes: Any) -> None:
    """Reach the server by all connections; no libvirt runs there, but its login is made."""
    shell, netlink = ShellConnection(), Netlink()
    shell.open(**options(**changes))
    try:
        assert shell.connection.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.split()[3] == str(
            sshd.port
        )
        netlink.open(**options(**changes))
        with netlink.connection.session() as ipr:
            assert ipr.link_lookup(ifname="lo") == [1]
        netlink.close()
    finally:
        shell.close()
    before = sshd.logins
    libvirt = Libvirt()
    try:
        libvirt.open(**options(**changes))
        libvirt.close()
    except ConnectionLostError:
        raise
    except Exception as error:  # noqa: BLE001 - the machine may run no libvirt
        assert "libvirt on 'server1', connection" in str(error)  # noqa: PT017
    assert sshd.logins == before + 1, "libvirt went another way"


PLAIN = """\
Host server.invalid
    HostName 127.0.0.1
    Port {0.port}
    User root
    IdentityFile {0.folder}/key
    UserKnownHostsFile {0.folder}/known
"""
CONFIGS = {
    "plain": PLAIN,
    "pattern": PLAIN.replace("Host server.invalid", "Host *.invalid !other.invalid"),
    "match": PLAIN.replace("Host server.invalid", 'Match originalhost server.invalid exec "true"'),
    "equals": PLAIN.replace("HostName ", "HostName=").replace("Port ", "port="),
    "quotes": PLAIN.replace("{0.folder}/key", '"{0.folder}/key"'),
    "first-wins": PLAIN + "    HostName 192.0.2.1\nHost *\n    Port 9\n",
    "interactive": PLAIN + "    RequestTTY force\n    RemoteCommand tmux attach\n"
    "    StdinNull yes\n    ControlMaster auto\n    ControlPath {0.folder}/%C\n"
    "    LocalForward 1 127.0.0.1:1\n    ForwardX11 yes\n    VisualHostKey yes\n",
    "never-checks": PLAIN + "    StrictHostKeyChecking no\n",
    "several-files": PLAIN.replace(
        "UserKnownHostsFile ", "UserKnownHostsFile {0.folder}/none {0.folder}/elsewhere "
    ),
    "file-with-blanks": PLAIN.replace(
        "UserKnownHostsFile {0.folder}/known",
        'UserKnownHostsFile {0.folder}/none "{0.folder}/my own hosts" {0.folder}/no more',
    ),
    "global-file": PLAIN.replace(
        "UserKnownHostsFile", "UserKnownHostsFile none\n    GlobalKnownHostsFile"
    ),
    "tokens": PLAIN.replace("{0.folder}/key", "{0.folder}/%r-%n"),
    "all-tokens": PLAIN.replace("{0.folder}/key", "{0.folder}/%%-%u-%i-%k-%L"),
    "variable": PLAIN.replace("{0.folder}/key", "${{KEYS_OF}}/key"),
    "known-hosts-command": PLAIN.replace(
        "UserKnownHostsFile {0.folder}/known",
        "UserKnownHostsFile none\n"
        "    KnownHostsCommand {0.folder}/print '%%H' %H %h %I %t ${{WORDS}} '%h x'",
    ),
    "several-keys": "IdentityFile {0.folder}/other\nIdentityFile {0.folder}/absent\n" + PLAIN,
}


PRINT = """\
#!/bin/sh
test "$#:$1:$2:$3:$4:$5" = "7:%H:[127.0.0.1]:{0.port}:127.0.0.1:HOSTNAME:NONE" &&
  test "$6:$7" = "it's two:127.0.0.1 x" &&
  cat {0.folder}/known
"""


@pytest.fixture
def prepared(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """A server, with keys under other names and a known_hosts file elsewhere."""
    local = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout
    many = f"%-{getpass.getuser()}-{os.getuid()}-server.invalid-{local.strip()}"
    for name in ("root-server.invalid", many):
        shutil.copy(sshd.folder / "key", sshd.folder / name)
    (sshd.folder / "my own hosts").write_text((sshd.folder / "known").read_text())
    monkeypatch.setenv("KEYS_OF", str(sshd.folder))
    monkeypatch.setenv("WORDS", "it's two")
    (sshd.folder / "print").write_text(PRINT.format(sshd))
    (sshd.folder / "print").chmod(0o755)
    generated = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(sshd.folder / "other")]
    subprocess.run(generated, check=True)
    with (sshd.folder / "known").open("a") as known:
        known.write(f"[server.invalid]:{sshd.port} {sshd.host.public}\n")
    return sshd


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_all_connections_go_the_way_that_the_users_configuration_says(prepared, write, text):
    write(text.format(prepared))
    arrives(prepared)


def test_an_included_file_is_followed(prepared, write, tmp_path):
    (tmp_path / "included").write_text(PLAIN.format(prepared))
    write(f"Include {tmp_path}/included\n")
    arrives(prepared)


def test_an_alias_is_the_name_in_known_hosts(prepared, write):
    (prepared.folder / "known").write_text(f"company-server {prepared.host.public}\n")
    write(PLAIN.format(prepared) + "    HostKeyAlias company-server\n")
    arrives(prepared)
    (prepared.folder / "known").write_text(f"[127.0.0.1]:{prepared.port} {prepared.host.public}\n")
    with pytest.raises(HostKeyError):
        arrives(prepared)
    with pytest.raises(HostKeyError) as caught:
        arrives(prepared, extras={"known_hosts": str(prepared.folder / "none")})
    assert f'UserKnownHostsFile="{prepared.folder}/none"' in caught.value.hint


JUMPS = (
    "ProxyJump bastion",
    "ProxyJump first,bastion",
    "ProxyJump root@127.0.0.1:{0.port}",
    "ProxyCommand ssh -W '%h':%p bastion",
)


@pytest.mark.parametrize("jumps", JUMPS)
def test_a_login_goes_through_the_jump_hosts_of_the_users_configuration(
    prepared, write, make_sshd, jumps
):
    bastion = make_sshd("bastion")
    (bastion.folder / "authorized").write_text(prepared.user.public)
    with (prepared.folder / "known").open("a") as known:
        known.write(f"[127.0.0.1]:{bastion.port} {bastion.host.public}\n")
    jump = PLAIN.format(bastion).replace("server.invalid", "bastion first")
    common = f"IdentityFile {prepared.folder}/key\nUserKnownHostsFile {prepared.folder}/known\n"
    write(common + PLAIN.format(prepared) + f"    {jumps.format(bastion)}\n" + jump)
    arrives(prepared)
    assert bastion.logins >= 2
    bastion.stop()
    with pytest.raises(ConnectionLostError, match=r"your ssh configuration names ended: .*refused"):
        ShellConnection().open(**options())


def test_a_proxy_that_fails_is_quoted_and_ends(prepared, write):
    write(PLAIN.format(prepared) + "    ProxyCommand echo no way for %r to %h:%p >&2; exit 1\n")
    with pytest.raises(ConnectionLostError, match="names ended: no way for root to 127"):
        ShellConnection().open(**options())


def test_what_the_inventory_says_goes_before_the_users_configuration(prepared, write, tmp_path):
    wrong = "Host *\n  Port 9\n  User nobody\n  IdentityFile /none\n  UserKnownHostsFile /none\n"
    write(wrong)
    files = {name: str(prepared.folder / name) for name in ("key", "known")}
    extras = {"key_file": files["key"], "known_hosts": files["known"]}
    arrives(prepared, hostname="127.0.0.1", port=prepared.port, username="root", extras=extras)


def test_a_configuration_that_ssh_refuses_is_quoted(write):
    write("Host *\n    NoSuchSetting yes\n")
    with pytest.raises(ConfigError, match="ssh cannot read its configuration for 'server"):
        ShellConnection().open(**options())
    write("")
    assert user_config.user_config("server.invalid").user == getpass.getuser()


def test_a_variable_that_is_not_set_is_named(prepared, write):
    write(PLAIN.format(prepared).replace(f"{prepared.folder}/key", "${NO_SUCH}/key"))
    with pytest.raises(ConfigError, match="NO_SUCH") as caught:
        ShellConnection().open(**options())
    assert "'server.invalid'" in str(caught.value)


COMMANDS = {
    "fails": ("/bin/sh -c 'echo no luck >&2; exit 3'", ConfigError, "status 3.*no luck"),
    "is-not-there": ("/no/such/program %H", ConfigError, "/no/such/program"),
    "no-absolute-path": ("cat known", ConfigError, "by no absolute path"),
    "a-variable-is-no-path": ("${KEYS_OF}/print", ConfigError, "by no absolute path"),
    "no-word": ("''", ConfigError, "by no absolute path"),
    "prints-nothing": ("/bin/true %K", HostKeyError, "we know none for it"),
    "prints-nonsense": ("/bin/echo %H x y z", HostKeyError, "we know none for it"),
}


@pytest.mark.parametrize(("command", "error", "words"), COMMANDS.values(), ids=COMMANDS)
def test_a_known_hosts_command_that_does_not_help_is_named(prepared, write, command, error, words):
    plain = PLAIN.format(prepared).replace(f"{prepared.folder}/known", "none")
    write(f"{plain}    KnownHostsCommand {command}\n")
    with pytest.raises(error, match=words) as caught:
        ShellConnection().open(**options())
    command_of_ssh = ["ssh", "-o", "BatchMode=yes", "server.invalid", "true"]
    assert subprocess.run(command_of_ssh, capture_output=True, check=False).returncode == 255
    assert ("%K are NONE then" in caught.value.hint) == ("%K" in command)
    (prepared.folder / "own").write_text(f"[127.0.0.1]:{prepared.port} {prepared.host.public}\n")
    arrives(prepared, extras={"known_hosts": str(prepared.folder / "own")})


NO_FILES = "UserKnownHostsFile none\n    GlobalKnownHostsFile none"
NONE = {
    "no-command": (NO_FILES, False),
    "command-with-its-key": (
        f"{NO_FILES}\n    KnownHostsCommand /bin/cat {{0.folder}}/known",
        True,
    ),
    "command-without": (f"{NO_FILES}\n    KnownHostsCommand /bin/true", False),
}


@pytest.mark.parametrize(("text", "accepted"), NONE.values(), ids=NONE)
def test_where_no_known_hosts_files_are_read_the_default_ones_are_not_either(
    prepared, write, tmp_path, text, accepted
):
    (tmp_path / ".ssh").mkdir()
    shutil.copy(prepared.folder / "known", tmp_path / ".ssh/known_hosts")
    plain = PLAIN.replace("UserKnownHostsFile {0.folder}/known", text)
    write(plain.format(prepared))
    command = ["ssh", "-o", "BatchMode=yes", "server.invalid", "true"]
    assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) == accepted
    if accepted:
        arrives(prepared)
        return
    with pytest.raises(HostKeyError, match="we know none for it") as caught:
        ShellConnection().open(**options())
    assert "UserKnownHostsFile, or let KnownHostsCommand print its key." in caught.value.hint


FILES = {
    "default": "",
    "none": "UserKnownHostsFile none\nGlobalKnownHostsFile none\n",
    "no-users-file": "UserKnownHostsFile none\n",
    "no-global-file": "GlobalKnownHostsFile none\n",
    "own": 'UserKnownHostsFile /own/one "/own/two"\n',
    "own-alone": "UserKnownHostsFile /own/one\nGlobalKnownHostsFile none\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_configuration_that_a_build_leaves_reads_the_same_known_hosts_files(
    write, tmp_path, text
):
    write(text)
    left = tmp_path / "left"
    left.write_text("\n".join(ssh_config._server(SERVER)))

    def files(*argv: object) -> tuple[Path, ...] | None:
        printed = subprocess.run(
            ["ssh", *map(str, argv), "-G", "node1"], capture_output=True, text=True, check=True
        ).stdout
        return user_config.parse(_settings(printed), "node1").known_hosts

    assert files("-F", left) == files()


def test_the_configuration_that_a_build_leaves_knows_hosts_by_the_same_ways(write):
    write("KnownHostsCommand /bin/keys %%h %H %h %n\nRevokedHostKeys /bad/%h\n")
    left = list(ssh_config._server(SERVER))
    assert "KnownHostsCommand /bin/keys %%h %H server.invalid server.invalid" in left
    assert 'RevokedHostKeys "/bad/server.invalid"' in left


def test_a_key_that_the_users_configuration_revokes_is_refused(prepared, write):
    (prepared.folder / "revoked").write_text(prepared.host.public)
    write(PLAIN.format(prepared) + f"    RevokedHostKeys {prepared.folder}/%k\n")
    (prepared.folder / "revoked").rename(prepared.folder / "server.invalid")
    with pytest.raises(HostKeyError, match="which is revoked") as caught:
        ShellConnection().open(**options())
    assert "RevokedHostKeys" in caught.value.hint


def test_only_the_keys_that_are_named_are_shown_where_the_user_says_so(prepared, write, tmp_path):
    """An agent with more keys than sshd lets a login try."""
    agent = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.DEVNULL)
    try:
        wait_until(agent.is_socket, Deadline(60), what="The test's agent")
        for number in range(8):
            key = tmp_path / f"many{number}"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            subprocess.run(
                ["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": str(agent)}, check=True,
                capture_output=True,
            )  # fmt: skip
        config = PLAIN.format(prepared) + f"    IdentityAgent {agent}\n"
        write(config)
        with pytest.raises(ConnectionLostError, match=r"hung up on 'root' after \d keys") as caught:
            ShellConnection().open(**options())
        assert "IdentitiesOnly yes" in caught.value.hint
        write(f"{config}    IdentitiesOnly yes\n")
        arrives(prepared)
        arrives(prepared, extras={"key_file": str(prepared.folder / "key")})
    finally:
        process.terminate()
        process.wait()


SERVER = Server("node1", "hypervisor", "server.invalid", ip_address("192.0.2.1"))
LEFT = {
    "empty": ("", ""),
    "own": ("IdentityFile /keys/own\n", "/keys/own"),
    "own-and-default": (
        "IdentityFile /keys/own\nIdentityFile ~/.ssh/id_rsa\n", "/keys/own ~/.ssh/id_rsa",
    ),
    "a-default": ("IdentityFile ~/.ssh/id_rsa\n", "~/.ssh/id_rsa"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "keys"), LEFT.values(), ids=LEFT)
def test_the_configuration_that_a_build_leaves_has_the_users_keys_alone(
    write, tmp_path, text, keys
):
    write(text)
    lines = list(ssh_config._server(SERVER))
    files = [Path(path).expanduser() for path in keys.split()]
    assert [line for line in lines if line.startswith("IdentityFile")] == [
        f'IdentityFile "{path}"' for path in files
    ]
    left = tmp_path / "left"
    left.write_text("\n".join(lines))
    resolved = subprocess.run(
        ["ssh", "-F", left, "-G", "node1"], capture_output=True, text=True, check=True
    ).stdout
    plain = subprocess.run(
        ["ssh", "-G", "node1"], capture_output=True, text=True, check=True
    ).stdout

    def identities(printed: str) -> list[Path]:
        return list(user_config.parse(_settings(printed), "node1").identity_files)

    assert identities(resolved) == identities(plain)


def _settings(printed: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in printed.splitlines():
        name, _, value = line.partition(" ")
        settings.setdefault(name, []).append(value)
    return settings


def test_the_configuration_that_a_build_leaves_may_name_an_agent_with_a_blank(write, tmp_path):
    write('IdentityAgent "/my agents/one"\n')
    left = tmp_path / "left"
    left.write_text("\n".join(ssh_config._server(SERVER)))
    resolved = subprocess.run(
        ["ssh", "-F", left, "-G", "node1"], capture_output=True, text=True, check=True
    ).stdout
    assert _settings(resolved)["identityagent"] == ["/my agents/one"]
