"""Netlink sessions with another network namespace of this machine, without an agent in it."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2 import IPRoute

from farswitch.connections.shell.protocol import ConnectionLostError

CLONE_NEWNET = 0x40000000


class NetnsEndpoint:
    """Another network namespace of this machine, by its path, as in /run/netns/NAME."""

    def __init__(self, host: str, path: str) -> None:
        self.host = host
        self.path = path

    @contextmanager
    def session(self) -> Iterator[IPRoute]:
        """Yield an `IPRoute` of the namespace."""
        with IPRoute(fileno=_socket_inside(self.path), ext_ack=True) as ipr:
            yield ipr


def _socket_inside(path: str) -> int:
    """Return the descriptor of a netlink socket made in another namespace.

    The namespace is a thread's own, so a short thread enters it and makes the socket.
    """
    made: list[int] = []
    failed: list[OSError] = []

    def enter() -> None:
        try:
            _setns(path)
            inside = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
            made.append(inside.detach())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failed:
        raise ConnectionLostError(path, str(failed[0])) from failed[0]
    return made[0]


def _setns(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:  # os.setns came with Python 3.12
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
