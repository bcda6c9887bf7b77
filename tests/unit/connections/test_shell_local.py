from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farswitch.connections.shell.begin import BEGIN
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import (
    TAIL,
    CommandError,
    CommandTimeoutError,
    ConnectionLostError,
    OutputLimitError,
    PrivilegeError,
    shown,
)
from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target
from farswitch.deadline import Deadline, wait_until
from tests.held import nothing_left


@pytest.fixture
def shell(monkeypatch) -> LocalShell:
    """A shell that needs no sudo, whoever runs the tests."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return LocalShell("here")


@pytest.fixture
def fake_sudo(tmp_path, monkeypatch) -> Path:
    """A `sudo` that notes its arguments, then runs what stands behind `--`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "sudo"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.log"\nshift 3\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return program


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("root", ["env", "LC_ALL=C", *BEGIN, "timeout", "-k", "2", "3", "ls", "a b"]),
        (
            "me",
            [
                *("sudo", "-k", "-n", "--", "env", "LC_ALL=C", *BEGIN),
                *("timeout", "-k", "2", "3", "ls", "a b"),
            ],
        ),
    ],
)
def test_only_users_other_than_root_go_through_sudo(user, wanted):
    shell = SshShell(Target("server1", "127.0.0.1", user=user))
    assert shell.compose(["ls", "a b"], 2.1) == wanted


def test_the_prefix_is_behind_sudo_and_before_the_command(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    shell = LocalShell("here", ("ip", "netns", "exec", "x"))
    assert shell.compose(["ls"]) == [
        *("sudo", "-k", "-n", "--", "env", "LC_ALL=C", *BEGIN),
        *("env", "ip", "netns", "exec", "x", "ls"),
    ]


def test_a_user_other_than_root_runs_through_sudo(fake_sudo):
    assert LocalShell("here").run(["echo", "a b"]).stdout == "a b\n"
    noted = Path(f"{fake_sudo}.log").read_text().splitlines()
    assert noted[:3] == ["-k", "-n", "--"]
    assert noted[-2:] == ["echo", "a b"]


def test_a_sudo_that_wants_a_password_is_told_with_a_hint(fake_sudo):
    fake_sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    with pytest.raises(PrivilegeError, match="password is required") as caught:
        LocalShell("here").run(["true"], check=False)
    assert "NOPASSWD" in caught.value.hint


def test_a_machine_without_sudo_is_told_with_a_hint(fake_sudo, monkeypatch):
    fake_sudo.unlink()
    monkeypatch.setenv("PATH", str(fake_sudo.parent))
    with pytest.raises(PrivilegeError, match="no program 'sudo'") as caught:
        LocalShell("here").run(["true"], check=False)
    assert "NOPASSWD" in caught.value.hint


def test_a_command_that_fails_behind_sudo_keeps_its_own_error(fake_sudo):
    with pytest.raises(CommandError) as caught:
        LocalShell("here").run(["sh", "-c", "echo no >&2; exit 1"])
    assert caught.value.stderr == "no\n"


def test_output_is_in_english(shell, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert shell.run(["sh", "-c", "echo $LC_ALL"]).stdout == "C\n"


def test_status_output_and_errors_come_apart(shell):
    done = shell.run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin="in", check=False)
    assert (done.status, done.stdout, done.stderr) == (3, "in", "err\n")


def test_bytes_that_are_no_text_are_shown_and_not_an_error(shell):
    assert shell.run(["printf", "\\377"]).stdout == "\ufffd"


def test_a_megabyte_goes_in_and_comes_back(shell):
    data = os.urandom(1 << 20).hex()
    assert shell.run(["cat"], stdin=data).stdout == data


def test_input_that_nobody_reads_is_no_error(shell):
    assert shell.run(["true"], stdin=b"x" * (8 << 20)).status == 0


def gone(shell, command: str) -> None:
    """Wait for the end of a process that was killed."""
    wait_until(
        lambda: shell.run(["pgrep", "-fx", command], check=False).status == 1,
        Deadline(60), what=f"The end of '{command}'",
    )  # fmt: skip


def test_output_without_end_is_an_error_and_ends_the_command(shell, monkeypatch):
    monkeypatch.setattr("farswitch.connections.shell.local.OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(OutputLimitError, match="yes"):
        shell.run(["yes", f"fs-no-end-{os.getpid()}"])
    gone(shell, f"yes fs-no-end-{os.getpid()}")


def test_a_deadline_ends_the_command_and_its_children(shell):
    started, command = time.monotonic(), f"sleep 4713.{os.getpid()}"
    with pytest.raises(CommandTimeoutError, match="here"):
        shell.run(["sh", "-c", f"{command} & {command}"], timeout=0.3)
    assert time.monotonic() - started < 20
    gone(shell, command)


def test_a_signal_gives_a_negative_status(shell):
    assert shell.run(["sh", "-c", "kill -9 $$"], check=False).status == -9


def test_a_missing_program_is_a_status_and_a_message(shell):
    with pytest.raises(CommandError, match="no-such-program") as caught:
        shell.run(["no-such-program"])
    assert caught.value.status == 127


def test_a_process_reads_writes_and_says_its_errors(shell):
    process = shell.start(["sh", "-c", "echo careful >&2; exec cat"])
    process.write(b"hello")
    assert process.read(100) == b"hello"
    assert process.stderr_tail() == "careful\n"
    process.close()
    process.close()
    assert process.stderr_tail() == "careful\n"


def test_a_process_that_ignores_its_inputs_end_is_killed(shell, monkeypatch):
    monkeypatch.setattr("farswitch.connections.shell.local.ENDING", 0.2)
    command = ["sleep", f"4714.{os.getpid()}"]
    shell.start(command).close()
    assert shell.run(["pgrep", "-fx", " ".join(command)], check=False).status == 1


def test_calls_leave_no_descriptor_and_no_thread(shell):
    with nothing_left():
        for _ in range(20):
            shell.run(["true"])
            shell.start(["cat"]).close()


def test_a_channel_is_a_connection_from_here(shell):
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = shell.channel("127.0.0.1", server.getsockname()[1], timeout=60)
        accepted, _ = server.accept()
        stream.send(b"hello")
        assert accepted.recv(10) == b"hello"
        accepted.close()
        stream.close()
    with pytest.raises(ConnectionLostError, match="'here'"):
        shell.channel("127.0.0.1", server_gone(), timeout=60)


def server_gone() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_long_command_is_cut_in_messages():
    assert shown([sys.executable, "-c", "x\n" * 2000]).endswith("…")
    assert len(shown(["x" * 2000])) == TAIL + 1


def test_a_command_makes_folders_that_others_may_enter_whatever_our_umask(shell, tmp_path):
    before = os.umask(0o077)
    try:
        shell.run(["mkdir", str(tmp_path / "made")])
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o755


def test_a_command_finds_the_programs_of_administrators(shell, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert shell.run(["sh", "-c", "echo $PATH"]).stdout == "/usr/bin:/bin:/usr/sbin:/sbin\n"


def test_a_user_without_a_name_goes_by_the_number(monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4242")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert LocalShell("here").user == "4242"


def test_libvirt_needs_no_home():
    program = (
        "import pathlib\n"
        "def nowhere(): raise RuntimeError\n"
        "pathlib.Path.home = nowhere\n"
        "from farswitch.connections.libvirt import far_socket\n"
        "from contextlib import ExitStack\n"
        "with ExitStack() as stack: far_socket._listener(stack)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_scripts_run_together_each_with_its_own_arguments_and_end(shell):
    first, second, third = shell.together(
        [
            ('set -e; echo "$# $1"; false; echo no', "a b", "$(c)"),
            ('cat; printf "%s" "$1"; echo why >&2; exit 66', "half a line"),
            ("head -c 3 /dev/zero; shift 5 2>/dev/null || echo end",),
        ]
    )
    assert (first.status, first.stdout, first.stderr) == (1, b"2 a b\n", b"")
    assert (second.status, second.stdout, second.stderr) == (66, b"half a line", b"why\n")
    assert third.stdout.startswith(b"\0\0\0")


def test_digests_of_many_files_come_together_by_their_paths(shell, tmp_path, monkeypatch):
    contents = {"one": b"", "two two": b"\0\n", "a\\b": b"\n\n", "-c": b"c" * 300_000}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o640)
    here, absent, folder = [str(tmp_path / name) for name in contents], "/none", str(tmp_path)
    commands = []
    execute = shell.execute
    monkeypatch.setattr(shell, "execute", lambda *how: commands.append(how) or execute(*how))
    wanted = [here[0], absent, *here[1:], folder, "/proc/sys/kernel/ostype"]
    digests = shell.digests(wanted)
    assert (list(digests), len(commands)) == (wanted, 1)
    assert [digests[path].sha256 for path in here] == [
        hashlib.sha256(content).hexdigest() for content in contents.values()
    ]
    assert {digests[path].mode for path in here} == {0o640}
    assert (digests[absent], digests[folder].sha256) == (None, "")
    assert digests["/proc/sys/kernel/ostype"].sha256 == hashlib.sha256(b"Linux\n").hexdigest()
    assert shell.digests([absent]) == {absent: None}
    assert shell.digests([]) == {}


def test_scripts_of_which_not_all_ran_are_no_answer(shell):
    with pytest.raises(CommandError, match="1 of 3 scripts ran"):
        shell.together([("echo one",), ("kill -9 $$",), ("echo three",)])
