"""A wire between a login and its server that a test can cut: TCP through this process."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self

RESET = struct.pack("ii", 1, 0)
"""`struct linger` that makes close() send a reset (socket(7))."""


class Proxy:
    """Passes bytes on to `port` of this machine until it is told to do something else.

    `delay` seconds pass before a block is passed on, in both directions, as on a far or busy way.
    `hang` stops to pass anything on; `mute` passes the requests on and no answers; `cut` resets
    every connection. `refuse` hangs up on so many new connections before a byte was said, as sshd
    does when too many log in at once.
    """

    def __init__(self, port: int, *, refuse: int = 0, delay: float = 0.0) -> None:
        self.refused = 0
        self.delay = delay
        self._far = port
        self._refuse = refuse
        self._forth, self._back = threading.Event(), threading.Event()
        self._forth.set()
        self._back.set()
        self._watch: tuple[int, Callable[[], None]] | None = None
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def hang(self) -> None:
        self._forth.clear()
        self._back.clear()

    def mute(self) -> None:
        self._back.clear()

    def cut(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def after(self, count: int, act: Callable[[], None]) -> None:
        """Do it once so many more bytes went from the login to its server."""
        self._watch = (count, act)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # else the thread in accept() keeps it open
        self._server.close()
        self.cut()
        self._forth.set()
        self._back.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.refused < self._refuse:
                self.refused += 1
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._far))
            self._sockets += [near, far]
            for ends, gate in (((near, far), self._forth), ((far, near), self._back)):
                threading.Thread(target=self._pass_on, args=(*ends, gate), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with contextlib.suppress(OSError), source, sink:
            while block := source.recv(1 << 16):
                if gate is self._forth:
                    self._count(len(block))
                gate.wait()
                time.sleep(self.delay)
                sink.sendall(block)

    def _count(self, size: int) -> None:
        if self._watch is None:
            return
        count, act = self._watch
        self._watch = None if size >= count else (count - size, act)
        if self._watch is None:
            act()
