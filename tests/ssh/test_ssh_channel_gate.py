"""A channel sends nothing after its close, in whatever order threads come to it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import paramiko
import pytest
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_EOF

from farswitch.connections.shell.channel_gate import gated
from farswitch.connections.shell.ssh import SshShell


class Wire:
    """A transport that keeps the kinds of the messages that are sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    def _send_user_message(self, message: paramiko.Message) -> None:
        self.sent.append(message.asbytes()[0])

    def get_log_channel(self) -> str:
        return "paramiko.transport"

    def _unlink_channel(self, number: int) -> None:
        pass


@pytest.fixture
def channel():
    made = paramiko.Channel(1)
    made._set_transport(Wire())
    made._set_window(1 << 20, 1 << 15)
    made.remote_chanid, made.active = 7, True
    return made


@pytest.mark.parametrize("behind_gate", [False, True])
def test_an_end_of_input_that_the_close_overtook_is_not_sent(channel, behind_gate):
    wire = channel.transport
    if behind_gate:
        gated(channel)
    late = channel._send_eof()  # prepared by a thread that is interrupted here
    channel._handle_close(None)
    channel.transport._send_user_message(late)
    after = [] if behind_gate else [MSG_CHANNEL_EOF]
    assert wire.sent == [MSG_CHANNEL_CLOSE, *after]


def test_a_close_waits_for_what_is_being_sent(channel):
    wire, waits, go = channel.transport, threading.Event(), threading.Event()
    send = wire._send_user_message

    def slow(message: paramiko.Message) -> None:
        if message.asbytes()[0] == MSG_CHANNEL_EOF:
            waits.set()
            assert go.wait(10)
        send(message)

    wire._send_user_message = slow
    gated(channel)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(channel.shutdown_write)
        assert waits.wait(10)
        second = pool.submit(channel._handle_close, None)
        go.set()
        first.result(10)
        second.result(10)
    assert wire.sent == [MSG_CHANNEL_EOF, MSG_CHANNEL_CLOSE]


@pytest.mark.root
@pytest.mark.ssh
def test_a_login_outlives_commands_that_end_before_their_input(make_sshd, monkeypatch):
    sshd = make_sshd("server")
    send = paramiko.Transport._send_user_message

    def slow(self: paramiko.Transport, message: paramiko.Message) -> None:
        if message.asbytes()[0] == MSG_CHANNEL_EOF:
            time.sleep(0.1)  # the thread is interrupted: the command ends meanwhile
        send(self, message)

    monkeypatch.setattr(paramiko.Transport, "_send_user_message", slow)
    shell = SshShell(sshd.target())
    for _ in range(5):
        assert shell.run(["true"]).status == 0
        assert shell.run(["true"], stdin="x" * 100_000).status == 0
    shell.close()
    assert sshd.logins == 1
