"""Logins as other people set them up: shells that talk, read, end early or are none at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.connections.netlink.plugin import RelayEndpoint
from farswitch.connections.shell.protocol import ConnectionLostError, LoginShellError
from farswitch.connections.shell.ssh import SshShell
from farswitch.deadline import Deadline, wait_until
from farswitch.lock.lease import Lease
from farswitch.lock.messages import LockHolder
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
ODD = ["a b", "$HOME", "`id`", "x'y\"z", "*", "", "a\nb", "-n", "!!", "a!b", "\\n", "ä€", "%s", "~"]
"""Arguments that one shell or another takes for something else."""


@pytest.fixture
def login(make_sshd: Callable[..., Sshd]) -> Iterator[Callable[..., SshShell]]:
    """Makes a server, with files in its user's home, and a shell of it."""
    shells: list[SshShell] = []

    def make(files: dict[str, str] | None = None, **settings: str) -> SshShell:
        sshd = make_sshd(f"far{len(shells)}", **settings)
        for name, text in (files or {}).items():
            path = sshd.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        shells.append(SshShell(sshd.target()))
        return shells[-1]

    yield make
    for shell in shells:
        shell.close()


def works(shell: SshShell, folder: Path) -> None:
    """Try commands, files, processes, netlink and the lock."""
    assert shell.run(["printf", "%s\\0", *ODD]).stdout.split("\0")[:-1] == ODD
    done = shell.run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin="in\n", check=False)
    assert (done.status, done.stdout, done.stderr) == (3, "in\n", "err\n")
    assert shell.run(["head", "-c", "300000", "/dev/zero"]).stdout == "\0" * 300_000
    path = folder / "file"
    shell.write(str(path), b"\x00new\n", mode=0o640)
    assert path.stat().st_mode & 0o777 == 0o640
    assert shell.read(str(path)) == b"\x00new\n"
    facts = shell.facts([str(path), "/none"])
    assert (facts[str(path)].content, facts["/none"]) == (b"\x00new\n", None)
    process = shell.start(["sh", "-c", "echo careful >&2; exec cat"])
    process.write(b"hello")
    assert process.read(100) == b"hello"
    wait_until(lambda: process.stderr_tail() == "careful\n", Deadline(60), what="The error")
    process.close()
    with RelayEndpoint("server1", shell).session() as ipr:
        assert ipr.link_lookup(ifname="lo") == [1]
    Lease(shell, LockHolder(cluster="test"), folder=str(folder / "lock")).release()


TALK = {
    "greeting": {".bashrc": "echo Welcome to this server\n"},
    "without-a-line-end": {".bashrc": "printf 'Last change: '\n"},
    "on-stderr": {".bashrc": "echo 'Authorised users only' >&2\n"},
    "much": {".bashrc": "head -c 200000 /dev/zero | tr '\\0' x\n"},
    "tput": {".bashrc": 'tput setaf 1; PS1="$(tput bold)\\u"; stty erase ^H\n'},
    "trace": {".bashrc": "set -x\ntrue\n"},
    "errors": {".bashrc": "no-such-program; . /no/such/file\n"},
    "aliases": {
        ".bashrc": "alias env='echo no' ls='ls -l'; shopt -s expand_aliases; sh() { echo no; }\n"
    },
    "traps": {".bashrc": "trap 'echo Bye' EXIT\n"},
    "background": {".bashrc": "(echo late) & wait\n"},
    "umask-and-path": {".bashrc": "umask 077; PATH=/usr/bin:/bin; cd /\n"},
    "rc": {".ssh/rc": "echo This is ~/.ssh/rc; echo here too >&2\n"},
    "settings": {".bashrc": "set -eu; set -o noclobber -o noglob\n"},
    "reads-a-terminal": {".bashrc": "{ read -r answer </dev/tty; } 2>/dev/null\n"},
    "reads-in-vain": {".bashrc": "read -r -t 1 answer </dev/null\n"},
    "our-mark-in-its-trace": {".bashrc": "export SHELLOPTS; set -x\n"},
}


@pytest.mark.parametrize("files", TALK.values(), ids=TALK)
def test_what_a_login_shell_prints_is_no_part_of_what_a_command_says(login, files, tmp_path):
    works(login(files), tmp_path)


def test_a_banner_is_no_part_of_what_a_command_says(login, tmp_path):
    banner = tmp_path / "banner"
    banner.write_text("Unauthorised access is prohibited\n" * 20)
    works(login(more=f"Banner {banner}"), tmp_path)


NONE = {
    "exit": ({".bashrc": "exit 3\n"}, "it ended with status 3 and printed nothing"),
    "exit-with-words": ({".bashrc": "echo Closed for tonight; exit 1\n"}, "Closed for tonight"),
    "another-shell": ({".bashrc": "exec sh\n"}, "status 0 and printed nothing"),
    "a-menu": ({".bashrc": "echo '1) shell'; read -r x; echo bad choice; exit 2\n"}, "bad choice"),
}


@pytest.mark.parametrize(("files", "words"), NONE.values(), ids=NONE)
def test_a_login_shell_that_runs_no_command_is_named_at_once(login, files, words):
    shell = login(files)
    with pytest.raises(LoginShellError, match="The login of 'root' on 'server1' runs no") as caught:
        shell.run(["true"])
    assert words in str(caught.value)
    assert "~/.bashrc" in caught.value.hint


def test_a_start_up_file_that_reads_input_is_named_and_its_remedy_helps(login, tmp_path):
    shell = login({".bashrc": "echo 'Your ticket?'; read -r ticket\n"})
    with pytest.raises(LoginShellError, match="takes the input of commands and prints") as caught:
        shell.run(["true"])
    assert "'Your ticket?'" in str(caught.value)
    line = caught.value.hint.partition("with the line: ")[2]
    bashrc = tmp_path / "far0/.bashrc"
    bashrc.write_text(f"{line}\n{bashrc.read_text()}")
    works(shell, tmp_path)


FORCED = {
    "sftp": "ForceCommand internal-sftp",
    "command": "ForceCommand /bin/echo not you",
    "nologin": "ForceCommand /usr/sbin/nologin",
}


@pytest.mark.parametrize("more", FORCED.values(), ids=FORCED)
def test_a_forced_command_is_named_at_once(login, more):
    shell = login(more=more)
    with pytest.raises(LoginShellError, match="The login of 'root' on 'server1' runs no") as caught:
        shell.run(["true"])
    assert "ForceCommand" in caught.value.hint


def test_a_command_of_authorized_keys_is_named_at_once(login, tmp_path):
    shell = login()
    authorized = tmp_path / "far0/authorized"
    authorized.write_text(f'command="date" {authorized.read_text()}')
    with pytest.raises(LoginShellError, match="The login of 'root' on 'server1' runs no") as caught:
        shell.run(["true"])
    assert "command=" in caught.value.hint


def test_a_forced_command_that_lets_commands_pass_is_fine(login, tmp_path):
    works(login(more='ForceCommand sh -c "$SSH_ORIGINAL_COMMAND"'), tmp_path)


def test_a_login_that_never_begins_is_an_error_in_time(login, monkeypatch):
    monkeypatch.setattr("farswitch.connections.shell.try_login.LOGIN_SECONDS", 1.0)
    shell = login({".bashrc": "sleep 60\n"})
    with pytest.raises(LoginShellError, match="had not begun one after 1 s") as caught:
        shell.run(["true"])
    assert f"-p {shell._target.port} root@127.0.0.1 true" in caught.value.hint


def passwd(shell: str) -> str:
    """The lines that give root another login shell, in sshd's mount namespace."""
    return (
        f"sed '/^root:/s|:[^:]*$|:{shell}|' /etc/passwd >/run/passwd.$$ && "
        "mount --bind /run/passwd.$$ /etc/passwd && rm /run/passwd.$$"
    )


@pytest.mark.parametrize("name", ["dash", "bash", "zsh", "ksh", "mksh", "fish", "tcsh", "csh"])
def test_any_login_shell_will_do(login, name, tmp_path):
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    greeting = dict.fromkeys((".zshenv", ".cshrc", ".tcshrc", ".mkshrc", ".bashrc"), "echo hello\n")
    works(login(greeting, within=passwd(program)), tmp_path)


@pytest.mark.parametrize("program", ["/usr/sbin/nologin", "/bin/false", "/bin/rbash"])
def test_a_login_shell_that_is_none_is_named_at_once(login, program):
    if not Path(program).exists():
        pytest.skip(f"there is no {program}")
    shell = login(within=passwd(program))
    with pytest.raises(LoginShellError, match="The login of 'root' on 'server1' runs no") as caught:
        shell.run(["true"])
    assert "getent passwd root" in caught.value.hint


def test_the_login_of_a_lost_login_shell_is_no_loss(login):
    shell = login({".bashrc": "kill -9 $$\n"})
    with pytest.raises((LoginShellError, ConnectionLostError)):
        shell.run(["true"])
