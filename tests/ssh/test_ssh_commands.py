from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from farswitch.connections.shell.protocol import (
    CommandError,
    CommandTimeoutError,
    ConnectionLostError,
    LoginShellError,
    OutputLimitError,
)
from farswitch.connections.shell.ssh import SshShell
from farswitch.deadline import Deadline, wait_until

WELL_BEFORE = 20.0
"""Seconds in which a slow machine, too, ends what would else last for minutes, or for ever."""

pytestmark = [pytest.mark.ssh, pytest.mark.root]


def test_status_output_and_errors_come_apart(shell):
    done = shell.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_status_other_than_zero_raises_with_what_the_command_said(shell):
    with pytest.raises(CommandError) as caught:
        shell.run(["ls", "/no such folder"])
    error = caught.value
    assert (error.host, error.argv, error.status) == ("server1", ("ls", "/no such folder"), 2)
    assert "ls '/no such folder'" in str(error)
    assert "No such file or directory" in error.stderr


def test_arguments_reach_the_program_as_they_are(shell):
    odd = ["a b", "$HOME", "`id`", "x'y\"z", "*", "", "a\nb", "-n"]
    assert shell.run(["printf", "%s\\0", *odd]).stdout.split("\0")[:-1] == odd


def test_a_missing_program_is_named(shell):
    with pytest.raises(CommandError, match="no-such-program") as caught:
        shell.run(["no-such-program"])
    assert caught.value.status == 127


def test_a_command_that_a_signal_ends_has_a_negative_status(shell):
    assert shell.run(["sh", "-c", "kill -9 $$"], check=False).status < 0


def test_a_megabyte_goes_in_and_comes_back(shell):
    data = os.urandom(1 << 20).hex()
    assert shell.run(["cat"], stdin=data).stdout == data


def test_input_that_nobody_reads_is_no_error(shell):
    assert shell.run(["true"], stdin=b"x" * (8 << 20)).status == 0


def test_much_on_both_outputs_does_not_block(shell):
    script = "head -c 6000000 /dev/zero >&2; head -c 6000000 /dev/zero"
    done = shell.run(["sh", "-c", script])
    assert (len(done.stdout), len(done.stderr)) == (6_000_000, 6_000_000)


def test_output_without_end_is_an_error(shell, monkeypatch):
    monkeypatch.setattr("farswitch.connections.shell.channel.OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(OutputLimitError):
        shell.run(["cat", "/dev/zero"])


@pytest.mark.usefixtures("never_slow")
def test_a_deadline_ends_the_command_here_and_there(shell):
    shell.open()
    started, command = time.monotonic(), ["sleep", f"4711.{os.getpid()}"]
    with pytest.raises(CommandTimeoutError) as caught:
        shell.run(command, timeout=1)
    assert time.monotonic() - started < WELL_BEFORE
    assert (caught.value.host, caught.value.seconds) == ("server1", 1)

    def gone() -> bool:
        return shell.run(["pgrep", "-fx", shlex.join(command)], check=False).status == 1

    wait_until(gone, Deadline(60), what="The end of the far command")


def test_a_deadline_covers_the_input(shell):
    with pytest.raises(CommandTimeoutError):
        shell.run(["sleep", "4712"], stdin=b"x" * (16 << 20), timeout=1)


def test_many_threads_share_one_login(shell, sshd):
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda n: shell.run(["echo", str(n)]).stdout, range(60)))
    assert told == [f"{n}\n" for n in range(60)]
    assert sshd.logins == 1


def test_running_processes_leave_room_for_commands(shell):
    processes = [shell.start(["cat"]) for _ in range(3)]
    try:
        with ThreadPoolExecutor(10) as pool:
            assert all(done.status == 0 for done in pool.map(shell.run, [["true"]] * 20))
    finally:
        for process in processes:
            process.close()


def test_a_server_that_allows_two_sessions_is_enough(make_sshd):
    sshd = make_sshd("narrow", sessions=2)
    shell = SshShell(sshd.target())
    with ThreadPoolExecutor(10) as pool:
        told = list(pool.map(lambda n: shell.run(["echo", str(n)]).stdout, range(40)))
    assert told == [f"{n}\n" for n in range(40)]
    shell.close()


@pytest.mark.parametrize("sessions", [0, 1])
def test_a_server_that_allows_too_few_sessions_is_named_and_its_remedy_helps(make_sshd, sessions):
    sshd = make_sshd("narrow", sessions=sessions)
    shell = SshShell(sshd.target())
    with pytest.raises(LoginShellError, match=f"'server1' has room for {sessions} se") as caught:
        shell.run(["true"])
    assert caught.value.usage
    sshd.stop()
    (sshd.folder / "log").unlink()
    sshd.more = caught.value.hint.partition("restart its sshd:\n")[2]
    sshd.start()
    assert shell.run(["true"]).status == 0
    shell.close()


def test_a_server_without_a_free_session_is_an_error_in_time(make_sshd):
    shell = SshShell(make_sshd("narrow", sessions=2).target())
    processes = [shell.start(["cat"]) for _ in range(2)]
    with pytest.raises(CommandTimeoutError):
        shell.run(["true"], timeout=1)
    for process in processes:
        process.close()
    assert shell.run(["true"]).status == 0
    shell.close()


def test_a_server_that_stops_answering_is_an_error_within_the_deadline(shell, sshd):
    shell.run(["true"])
    stopped = sshd.children()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(CommandTimeoutError, match="server1"):
            shell.run(["true"], timeout=1)
        with pytest.raises(CommandTimeoutError, match="server1"):
            shell.run(["cat"], stdin=b"x" * (16 << 20), timeout=1)
        assert time.monotonic() - started < WELL_BEFORE
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_login_killed_in_the_middle_is_told_and_not_repeated(shell, sshd, tmp_path):
    shell.run(["true"])
    trace = tmp_path / "trace"
    failures: list[Exception] = []

    def work() -> None:
        try:
            shell.run(["sh", "-c", f"echo run >> {trace}; sleep 60"])
        except ConnectionLostError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(trace.exists, Deadline(60), what="The command's start")
    for pid in sshd.children():
        os.kill(pid, signal.SIGKILL)
    thread.join(60)
    assert [error.host for error in failures] == ["server1"]
    assert trace.read_text() == "run\n"


def test_the_next_call_after_a_loss_logs_in_again(shell, sshd):
    shell.run(["true"])
    for pid in sshd.children():
        os.kill(pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            return shell.run(["true"]).status == 0
        except ConnectionLostError:
            return False

    wait_until(answers, Deadline(60), what="The second login")
    assert sshd.logins == 2


def test_a_closed_shell_stays_closed(sshd):
    shell = SshShell(sshd.target())
    shell.run(["true"])
    shell.close()
    with pytest.raises(ConnectionLostError, match="closed"):
        shell.run(["true"])
    assert sshd.logins == 1
