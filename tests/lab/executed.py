"""All that is started on this machine and in its labs while something runs: arguments and more.

The kernel tells of each program that starts (its process connector); what the program was given
is then read from /proc. One that ends at once may be missed, but not all of a chain: a command of
ours is an argument of `timeout`, and of the shell that sshd starts, for as long as it runs.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

NETLINK_CONNECTOR, CN_IDX_PROC, CN_VAL_PROC, PROC_CN_MCAST_LISTEN, PROC_EVENT_EXEC = 11, 1, 1, 1, 2
"""From <linux/netlink.h>, <linux/connector.h> and <linux/cn_proc.h>."""
LISTEN = struct.Struct("=IHHIIIIIIHHI")
"""`struct nlmsghdr`, `struct cn_msg`, and the operation."""
WHAT, PID = 36, 52
"""Where an event says what it is, and of which process."""
BUFFER = 32 << 20
DONE = 3  # NLMSG_DONE
PLACES = ("cmdline", "environ")


class Executed:
    """What was started within a `with` block: nothing where the kernel does not tell.

    `lost` tells that something was missed.
    """

    def __init__(self) -> None:
        self.texts: set[bytes] = set()
        self.lost = False
        self._stop, self._end = os.pipe()
        self._thread = threading.Thread(target=self._listen, name="executed")
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
        with contextlib.suppress(OSError):  # not in a container of its own
            self._socket.bind((0, CN_IDX_PROC))
            head = (LISTEN.size, DONE, 0, 0, 0, CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, 0)
            self._socket.send(LISTEN.pack(*head, PROC_CN_MCAST_LISTEN))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        self._socket.close()
        os.close(self._stop)
        os.close(self._end)

    def with_words(self, words: bytes) -> list[bytes]:
        """Return what programs were given in which these words stand."""
        return [text for text in tuple(self.texts) if words in text]

    def _listen(self) -> None:
        while True:
            ready = select.select([self._socket, self._stop], [], [])[0]
            if self._socket not in ready:
                return
            try:
                event = self._socket.recv(1 << 12)
            except OSError:  # ENOBUFS: more came than the buffer holds
                self.lost = True
                continue
            if struct.unpack_from("=I", event, WHAT)[0] == PROC_EVENT_EXEC:
                self._read(struct.unpack_from("=I", event, PID)[0])

    def _read(self, pid: int) -> None:
        for place in PLACES:
            with contextlib.suppress(OSError):
                self.texts.add(Path(f"/proc/{pid}/{place}").read_bytes())
