"""What a server or a guest answers is data: any bytes, any number of them, end in a sentence."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from farswitch.connections.netlink.attributes import HEADER
from farswitch.connections.netlink.relay import DATAGRAM, FRAME, NLMSG_ERROR, Relay
from farswitch.connections.shell.base import FILE_LIMIT
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import LONGEST_LINE, OutputLimitError
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.lock.agent import AgentProcess, held_by
from farswitch.model.settings import Settings
from farswitch.proof import mpi_job as mpi_job_module
from farswitch.proof.mpi_job import Initialised, mpi_job
from farswitch.proof.packet_agent import Listen, Refused, packet_agent
from farswitch.remote_program import RemoteProgramError

MOST = 8 << 20
"""Bytes that we may take of a stream without an end before we leave it."""


class Endless:
    """A process that says the same for ever; the end comes late, for a test that would not."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.read_so_far = 0
        self.closed = False

    def read(self, limit: int) -> bytes:
        block = self.block[:limit]
        self.read_so_far += len(block)
        return b"" if self.closed or self.read_so_far > 64 << 20 else block

    def write(self, data: bytes) -> None: ...

    def stderr_tail(self) -> str:
        return ""

    def close(self) -> None:
        self.closed = True


class Answering(LocalShell):
    """A server on which every program that goes on is the given one."""

    def __init__(self, process: Endless) -> None:
        super().__init__("server1")
        self.process = process

    def start(self, argv):
        return self.process


ANSWERS = [
    pytest.param(b"x" * 4096, id="a-line-without-an-end"),
    pytest.param(b"[" * 100_000 + b"\n", id="nested-without-an-end"),
    pytest.param(b"[1, 2]\n", id="no-object"),
    pytest.param(b'{"held": {}, "others": 7}\n', id="no-list"),
    pytest.param(b'{"held": {}, "others": ["x"]}\n', id="no-words"),
    pytest.param(b"\xff\xfe\x00\n", id="no-text"),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_the_lock_that_is_none_is_told_and_bounded(answer):
    class Once(Endless):
        def read(self, limit: int) -> bytes:
            if answer.endswith(b"\n") and self.read_so_far:
                return b""
            self.block = answer
            return super().read(len(answer))

    process = Once(answer)
    with pytest.raises(FarswitchError, match="The lock on server 'server1' could not be asked"):
        AgentProcess(Answering(process), "hold")
    assert process.closed
    assert process.read_so_far < MOST


@pytest.mark.parametrize("said", ["[]", "{", '{"others": {}}', "[" * 50_000])
def test_an_answer_about_other_runs_that_is_none_is_told(said):
    class Saying(LocalShell):
        def run(self, argv, **_):
            return super().run(["printf", "%s", said])

    with pytest.raises(FarswitchError, match="The lock on server 'server1'"):
        held_by(Saying("server1"))


def test_a_test_program_that_never_ends_its_line_is_left():
    process = Endless(b"x" * 65_536)
    told = pytest.raises(FarswitchError, match="'server1' gave more than")
    with packet_agent(Answering(process), b"token", 30) as agent, told:
        agent.ask(Listen(offsets={}), Refused)
    assert process.read_so_far < MOST


def test_a_job_that_never_ends_its_line_is_left(monkeypatch):
    process = Endless(b"x" * 65_536)
    monkeypatch.setattr(mpi_job_module, "as_user", lambda _settings, argv: argv)
    job = mpi_job(Answering(process), Settings(cluster="x"), (), (), 30)
    with job, pytest.raises(RemoteProgramError):
        job.receive(Initialised, 10)
    assert process.read_so_far < MOST


@pytest.fixture
def flooded() -> Iterator[tuple[Relay, Endless, socket.socket]]:
    process = Endless(FRAME.pack(0xFFFFFFFF) + b"x" * 65_536)
    relay = Relay("server1", process, 30)
    near = socket.socket(fileno=relay.detach())
    near.settimeout(60)
    yield relay, process, near
    near.close()
    relay.close()


def test_an_agent_that_announces_more_than_netlink_has_is_left(flooded):
    relay, process, near = flooded
    near.send(HEADER.pack(HEADER.size, 18, 0x5, 7, 0))  # RTM_GETLINK that wants an answer
    kind = HEADER.unpack_from(near.recv(DATAGRAM))[1]
    assert kind == NLMSG_ERROR
    deadline = Deadline(60)
    while relay.failure is None:
        assert not deadline.passed()
    assert "no answer of netlink" in str(relay.failure)
    assert process.read_so_far < MOST


def test_a_file_of_a_gigabyte_is_named_and_not_read(tmp_path):
    path = tmp_path / "hosts"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(OutputLimitError, match=f"File '{path}' on 'node1' gave more than"):
        LocalShell("node1").facts([str(path), "/etc/hosts"])


def test_a_file_as_large_as_we_take_is_read_whole(tmp_path):
    path, other = tmp_path / "large", tmp_path / "other"
    path.write_bytes(struct.pack("!I", 7) * (FILE_LIMIT // 4))
    other.write_bytes(b"other")
    facts = LocalShell("node1").facts([str(path), str(other)])
    assert len(facts[str(path)].content) == FILE_LIMIT
    assert facts[str(other)].content == b"other"
    assert LONGEST_LINE < FILE_LIMIT
