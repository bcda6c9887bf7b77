"""Nornir's connections, opened once: its own `Host.open_connection` is not safe between threads."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from nornir.core.configuration import Config
from nornir.core.inventory import Host

T = TypeVar("T")
_GUARD = threading.Lock()
_LOCKS: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)


def opened(
    host: Host, name: str, configuration: Config | None = None, *, options_of: str = ""
) -> Any:
    """Return the host's connection of that name; the first of many threads opens it.

    A failed attempt leaves nothing behind: the next call tries again. `options_of` names the
    connection with whose options it is opened, where that is another one.
    """
    with _lock(host, name):
        if name not in host.connections:
            options = host.get_connection_parameters(options_of or name)
            host.open_connection(name, configuration or Config(), **options.dict())
        return host.connections[name].connection


def begun(connect: Callable[[], T]) -> Callable[[], T]:
    """Call a function by a thread of its own; return what waits for its outcome."""
    outcome: Future[T] = Future()

    def call() -> None:
        try:
            outcome.set_result(connect())
        except BaseException as error:  # noqa: BLE001 - for whoever waits
            outcome.set_exception(error)

    threading.Thread(target=call, name="early", daemon=True).start()
    return outcome.result


def open_early(hosts: Iterable[Host], name: str, *, at_once: int) -> Callable[[], None]:
    """Begin to open a connection of several hosts, by threads that nobody waits for.

    Whoever needs one waits until it is open. One that failed is tried again then, and raises its
    error there.

    Returns:
        What ends it: no further one is opened, and one that comes too late is closed.
    """
    waiting: SimpleQueue[Host] = SimpleQueue()
    ended = threading.Event()
    for host in hosts:
        waiting.put(host)
    for number in range(min(at_once, waiting.qsize())):
        threading.Thread(
            target=_open_each,
            args=(waiting, name, ended),
            name=f"early {name} {number}",
            daemon=True,
        ).start()
    return ended.set


def forget(host: Host, name: str) -> None:
    """Close a connection that leads nowhere any more, also one that is just being opened.

    Raises:
        FarswitchError: It could not be closed; it is forgotten.
    """
    with _lock(host, name):
        if name in host.connections:
            host.close_connection(name)


def _lock(host: Host, name: str) -> threading.Lock:
    with _GUARD:
        return _LOCKS[host.name, name]


def _open_each(waiting: SimpleQueue[Host], name: str, ended: threading.Event) -> None:
    with contextlib.suppress(Empty):
        while not ended.is_set():
            host = waiting.get_nowait()
            with contextlib.suppress(Exception):
                opened(host, name)
                if ended.is_set():
                    forget(host, name)
