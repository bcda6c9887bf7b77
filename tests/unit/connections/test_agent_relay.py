"""The relay's two ends: the agent as a process of its own, and the near end against a fake."""

from __future__ import annotations

import ast
import os
import queue
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.attributes import HEADER
from farswitch.connections.netlink.plugin import AGENT, LocalEndpoint, Netlink, RelayEndpoint
from farswitch.connections.netlink.relay import FRAME, NLMSG_DONE, NLMSG_ERROR, Relay
from farswitch.deadline import Deadline, wait_until
from farswitch.remote import netlink_agent

RTM_GETLINK, DUMP = 18, 0x301
REQUEST = HEADER.pack(HEADER.size + 16, RTM_GETLINK, DUMP, 7, 0) + bytes(16)


class Scripted:
    """A process in the agent's place: it answers what the test tells it to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.answers: queue.Queue[bytes] = queue.Queue()
        self.said = ""

    def read(self, limit: int) -> bytes:
        return self.answers.get()

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def await_request(self) -> None:
        """No kernel answers before it was asked: neither may the test."""
        wait_until(lambda: bool(self.written), Deadline(60), what="A request", interval=0.01)

    def stderr_tail(self) -> str:
        return self.said

    def close(self) -> None:
        self.answers.put(b"")


def done(sequence: int) -> bytes:
    return HEADER.pack(HEADER.size + 4, NLMSG_DONE, 2, sequence, 0) + bytes(4)


@pytest.fixture
def process() -> Scripted:
    return Scripted()


@pytest.fixture
def relay(process, request):
    relay = Relay("server1", process, getattr(request, "param", 60.0))
    yield relay
    relay.close()


@pytest.fixture
def near(relay):
    with socket.socket(fileno=relay.detach()) as near:
        near.settimeout(60)
        yield near


def test_a_request_goes_out_in_a_frame_and_answers_come_back_whole(near, process):
    near.send(REQUEST)
    process.await_request()
    framed = FRAME.pack(20) + done(7)
    for byte in framed[:-1]:
        process.answers.put(bytes([byte]))
    process.answers.put(framed[-1:] + framed)
    assert near.recv(100) == done(7)
    assert near.recv(100) == done(7)
    assert process.written == [FRAME.pack(len(REQUEST)) + REQUEST]


@pytest.mark.parametrize("relay", [0.3], indirect=True)
def test_a_late_answer_becomes_an_error_for_its_request(near, process, relay):
    process.said = "sorry\n"
    near.send(REQUEST)
    length, kind, _, sequence, _ = HEADER.unpack_from(near.recv(100))
    assert (length, kind, sequence) == (36, NLMSG_ERROR, 7)
    assert "'server1'" in str(relay.failure)
    assert str(relay.failure).endswith("within 0.3 s: sorry")


@pytest.mark.parametrize("relay", [3.0], indirect=True)
def test_an_answer_in_time_is_no_failure(near, process, relay):
    near.send(REQUEST)
    process.await_request()
    process.answers.put(FRAME.pack(20) + done(7))
    near.recv(100)
    near.settimeout(4)
    with pytest.raises(TimeoutError):
        near.recv(100)
    assert relay.failure is None


def test_the_agents_end_answers_whoever_waits(near, process, relay):
    near.send(REQUEST)
    process.answers.put(b"")
    assert HEADER.unpack_from(near.recv(100))[1] == NLMSG_ERROR
    assert "ended" in str(relay.failure)


def test_closing_is_no_failure(process):
    relay = Relay("server1", process, 5)
    relay.close()
    assert relay.failure is None


def test_the_agent_answers_from_its_source_text_and_ends_with_its_input():
    process = subprocess.run(
        [sys.executable, *AGENT[1:]],
        input=FRAME.pack(len(REQUEST)) + REQUEST,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert process.stderr == b""
    assert process.stdout.startswith(FRAME.pack(0))


def test_the_agent_needs_no_newer_python_and_no_package():
    source = Path(netlink_agent.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert set(imported) == {"os", "select", "socket", "struct"}


def test_a_relay_to_this_machine_sees_what_a_local_session_sees():
    class Here:
        def start(self, argv):
            return Piped(argv)

    with LocalEndpoint("here").session() as ipr:
        wanted = ipr.link_lookup(ifname="lo")
    with RelayEndpoint("here", Here()).session() as ipr:
        assert ipr.link_lookup(ifname="lo") == wanted


def test_an_error_of_the_kernel_is_no_failure_of_the_relay():
    class Here:
        def start(self, argv):
            return Piped(argv)

    with RelayEndpoint("here", Here()).session() as ipr:
        with pytest.raises(NetlinkError) as caught:
            ipr.link("get", index=2**31 - 1)
        assert caught.value.code == 19  # ENODEV
        assert ipr.link_lookup(ifname="lo") == [1]


class Piped:
    """A process with pipes, and nothing of ours between."""

    def __init__(self, argv) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def read(self, limit: int) -> bytes:
        return self.process.stdout.read(limit)

    def write(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def stderr_tail(self) -> str:
        return ""

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.mark.parametrize(("uid", "kind"), [(0, LocalEndpoint), (1000, RelayEndpoint)])
def test_on_this_machine_a_user_other_than_root_goes_through_an_agent(uid, kind, monkeypatch):
    """The agent runs behind sudo; a socket of the user's own could only read."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    plugin = Netlink()
    plugin.open(hostname="localhost", username="someone", extras={"local": True})
    assert type(plugin.connection) is kind
    plugin.close()
