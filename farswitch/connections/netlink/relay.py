"""The near end of the netlink relay: a socket for pyroute2, and two threads that carry datagrams.

pyroute2 waits for an answer without a limit. When the far end is gone or too slow, the relay
answers in its place, with a netlink error that the endpoint turns into ours.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading

from farswitch.connections.fence import Fence
from farswitch.connections.netlink.attributes import HEADER, each_message
from farswitch.connections.shell.protocol import ConnectionLostError, Process
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.pace import patient

FRAME = struct.Struct("!I")
TIMEVAL = struct.Struct("@ll")
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_ACK, NLM_F_DUMP = 0x4, 0x300
DATAGRAM = 1 << 20
"""Bytes that the agent takes of one answer: it sends no longer frame."""


class Relay:
    """Datagrams between a local socket and the started agent of one session.

    A request may stay without its answer for `seconds`; the fence is asked before each.
    """

    def __init__(
        self, host: str, process: Process, seconds: float, fence: Fence | None = None
    ) -> None:
        self.host = host
        self.failure: FarswitchError | None = None
        self._process = process
        self._seconds = seconds
        self._fence = fence or Fence()
        self._pending: dict[int, Deadline] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._near, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self._near, self._ours):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DATAGRAM)
        self._threads = (
            threading.Thread(target=self._send_requests, name=f"netlink to {host}", daemon=True),
            threading.Thread(
                target=self._receive_answers, name=f"netlink from {host}", daemon=True
            ),
        )
        for thread in self._threads:
            thread.start()

    def detach(self) -> int:
        """Return the near socket's descriptor; the caller closes it."""
        return self._near.detach()

    def close(self) -> None:
        """End the agent and both threads."""
        self._closing = True
        self._near.close()
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self._process.close()
        for thread in self._threads:
            thread.join()
        self._ours.close()

    def _send_requests(self) -> None:
        """Carry requests to the agent, and watch for answers that are late."""
        while True:
            try:
                self._set_receive_timeout()
                request = self._ours.recv(DATAGRAM)
            except BlockingIOError:
                if late := self._late():
                    self._fail(f"netlink gave no answer within {late.seconds:g} s")
                continue
            except OSError:
                return
            if not request:
                return
            self._expect(request)
            if self.failure is not None:
                self._answer()
                continue
            try:
                self._fence.check()
                self._process.write(FRAME.pack(len(request)) + request)
            except FarswitchError as error:
                self._fail(error)
            except (OSError, ValueError) as error:
                self._fail(f"its netlink agent ended ({error})")

    def _receive_answers(self) -> None:
        """Carry answers from the agent."""
        received = bytearray()
        while True:
            try:
                block = self._process.read(DATAGRAM)
            except (OSError, ValueError):
                block = b""
            if not block:
                break
            received += block
            while (datagram := _unframed(received)) is not None:
                self._resolve(datagram)
                with contextlib.suppress(OSError):
                    if datagram:
                        self._ours.send(datagram)
            if len(received) > FRAME.size + DATAGRAM:
                self._fail("it sends what is no answer of netlink")
                return
        if not self._closing:
            self._fail("its netlink agent ended")

    def _expect(self, request: bytes) -> None:
        """Remember whose answer is awaited."""
        with self._lock:
            for _, head in each_message(request):
                if head.flags & (NLM_F_ACK | NLM_F_DUMP):
                    self._pending[head.sequence] = Deadline(patient(self._seconds))

    def _resolve(self, datagram: bytes) -> None:
        """Forget what is answered to its end."""
        with self._lock:
            for _, head in each_message(datagram):
                if head.kind in {NLMSG_ERROR, NLMSG_DONE}:
                    self._pending.pop(head.sequence, None)

    def _set_receive_timeout(self) -> None:
        """Let the next receive wait until the first answer is late; without one, for ever.

        Python's own timeout makes the socket non-blocking, and such a datagram socket is not woken
        by its shutdown.
        """
        with self._lock:
            left = [deadline.remaining() for deadline in self._pending.values()]
        microseconds = max(1000, int(min(left) * 1e6)) if left else 0
        value = TIMEVAL.pack(*divmod(microseconds, 1_000_000))
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    def _late(self) -> Deadline | None:
        with self._lock:
            return next((one for one in self._pending.values() if one.passed()), None)

    def _fail(self, cause: str | FarswitchError) -> None:
        """Keep the first failure with the end of the agent's stderr, and answer all who wait."""
        with self._lock:
            if isinstance(cause, FarswitchError):
                self.failure = self.failure or cause
            elif self.failure is None:
                printed = self._process.stderr_tail().strip()
                self.failure = ConnectionLostError(
                    self.host,
                    f"{cause}: {printed}" if printed else cause,
                    hint="The server needs python3, and the right to change its network.",
                )
        self._answer()

    def _answer(self) -> None:
        """Give every request that waits an error in the kernel's place."""
        with self._lock:
            sequences, self._pending = list(self._pending), {}
        for sequence in sequences:
            head = HEADER.pack(HEADER.size + 4 + HEADER.size, NLMSG_ERROR, 0, sequence, 0)
            body = struct.pack("=i", -errno.ECONNRESET) + HEADER.pack(0, 0, 0, sequence, 0)
            with contextlib.suppress(OSError):
                self._ours.send(head + body)


def _unframed(received: bytearray) -> bytes | None:
    """Take the first whole datagram off, or return None."""
    if len(received) < FRAME.size:
        return None
    end = FRAME.size + FRAME.unpack_from(received)[0]
    if len(received) < end:
        return None
    datagram = bytes(received[FRAME.size : end])
    del received[:end]
    return datagram
