"""A user other than root, through the machine's own sudo, as servers have it set up."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.connections.shell.protocol import CommandError, PrivilegeError
from farswitch.connections.shell.ssh import SshShell
from farswitch.lock.lease import Lease
from farswitch.lock.messages import LockHolder
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
USER = "fsadmin"
ACCOUNT = (
    f"echo '{USER}:x:64999:64999::/nonexistent:/bin/bash' | cat /etc/passwd - >{{0}}/passwd; "
    f"echo '{USER}:*:19000:0:99999:7:::' | cat /etc/shadow - >{{0}}/shadow; "
    "for name in passwd shadow sudoers; do mount --bind {0}/$name /etc/$name; done; "
)
"""A user that only sshd's mount namespace knows."""
ALLOWED = f"{USER} ALL=(root) NOPASSWD: /usr/bin/env\n"
"""The line of docs/security.md."""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="farswitch-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def login(make_sshd: Callable[..., Sshd], public: Path) -> Iterator[Callable[..., SshShell]]:
    """Makes a server with a sudoers file of its own, and a shell of its user."""
    shells: list[SshShell] = []

    def make(sudoers: str, *, setup: str = "true", bashrc: str = "") -> SshShell:
        rules = public / "sudoers"
        rules.write_text(f'Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"\n{sudoers}')
        rules.chmod(0o440)
        within = ACCOUNT.format(public) + setup.format(public)
        sshd = make_sshd("far", where=public, within=within)
        (sshd.folder / ".bashrc").write_text(bashrc)
        shells.append(SshShell(sshd.target(user=USER)))
        return shells[-1]

    yield make
    for shell in shells:
        shell.close()


def keeps_the_commands_own_words(shell: SshShell, folder: Path) -> None:
    assert shell.run(["id", "-u"]).stdout == "0\n"
    done = shell.run(["sh", "-c", "cat; echo own >&2; exit 1"], stdin="in", check=False)
    assert (done.status, done.stdout, done.stderr) == (1, "in", "own\n")
    with pytest.raises(CommandError, match="'no-such-program'") as caught:
        shell.run(["no-such-program"])
    assert caught.value.status == 127
    assert shell.run(["sh", "-c", "echo sudo: no >&2; exit 1"], check=False).stderr == "sudo: no\n"
    path = str(folder / "file")
    shell.write(path, b"new")
    assert (shell.read(path), shell.read("/nowhere")) == (b"new", None)
    Lease(shell, LockHolder(cluster="test"), folder=str(folder / "lock")).release()


WARNS = {
    "nothing": {"sudoers": ALLOWED},
    "unknown-host": {
        "sudoers": ALLOWED,
        "setup": "echo 127.0.0.1 localhost >{0}/hosts; mount --bind {0}/hosts /etc/hosts",
    },
    "lecture": {"sudoers": f"Defaults lecture=always\n{ALLOWED}"},
    "use_pty": {"sudoers": f"Defaults use_pty\n{ALLOWED}"},
    "an-unknown-setting": {"sudoers": f"Defaults no_such_setting\n{ALLOWED}"},
    "a-broken-line": {"sudoers": f"this is no rule\n{ALLOWED}"},
    "a-greeting-too": {"sudoers": f"Defaults use_pty\n{ALLOWED}", "bashrc": "echo sudo: hi >&2\n"},
    "umask": {"sudoers": f"Defaults umask=0077, umask_override\n{ALLOWED}"},
    "all-but-one": {"sudoers": f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL, !/usr/bin/su\n"},
}


@pytest.mark.parametrize("server", WARNS.values(), ids=WARNS)
def test_what_sudo_prints_is_no_part_of_what_a_command_says(login, server, public):
    keeps_the_commands_own_words(login(**server), public)


def test_a_sudo_that_cannot_resolve_its_host_leaves_each_status_alone(login, public):
    """A host that is not resolved is hard to have here: so a script says it before sudo does."""
    fake, sudo = public / "warns", shutil.which("sudo")
    fake.write_text(
        "#!/bin/sh\necho 'sudo: unable to resolve host far: Name or service not known' >&2\n"
        f'exec {public}/sudo "$@"\n'
    )
    fake.chmod(0o755)
    setup = f"cp -p {sudo} {public}/sudo; mount --bind {fake} {sudo}"
    keeps_the_commands_own_words(login(ALLOWED, setup=setup), public)


REFUSES = {
    "nothing-allowed": ("", "fsadmin|password|may not run sudo"),
    "a-password": (f"{USER} ALL=(ALL) ALL\n", "password is required"),
    "other-commands": (f"{USER} ALL=(root) NOPASSWD: /usr/bin/systemctl\n", "password|not allowed"),
    "a-terminal": (f"Defaults requiretty\n{ALLOWED}", "tty"),
}


@pytest.mark.parametrize(("sudoers", "words"), REFUSES.values(), ids=REFUSES)
def test_a_sudo_that_refuses_is_named_and_its_remedy_helps(login, sudoers, words, public):
    shell = login(sudoers)
    with pytest.raises(PrivilegeError, match=rf"'server1' may not run .*({words})") as caught:
        shell.run(["true"])
    line = caught.value.hint.partition("sudoers there: ")[2]
    rules = public / "sudoers"
    rules.write_text(f"{rules.read_text()}{line}\n")
    keeps_the_commands_own_words(shell, public)


def test_a_password_that_was_typed_lately_does_not_count(login):
    """It would be forgotten in the middle of a run."""
    shell = login(f"Defaults timestamp_type=global\n{USER} ALL=(ALL) ALL\n")
    with pytest.raises(PrivilegeError, match="password is required"):
        shell.run(["true"])
    assert shell.compose(["true"])[:2] == ["sudo", "-k"]


def test_a_server_without_sudo_is_named(login):
    setup = "mkdir {0}/bin; cp /bin/sh /bin/bash /bin/env {0}/bin; mount --bind {0}/bin /usr/bin"
    with pytest.raises(PrivilegeError, match="'server1' may not") as caught:
        login(ALLOWED, setup=setup).run(["true"])
    assert "Install sudo" in caught.value.hint
