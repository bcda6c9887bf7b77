"""Nornir's connections, opened once: its own `Host.open_connection` is not safe between threads."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from nornir.core.configuration import Config
from nornir.core.inventory import Host

_GUARD = threading.Lock()
_LOCKS: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)


def opened(
    host: Host, name: str, configuration: Config | None = None, *, options_of: str = ""
) -> Any:
    """Return the host's connection of that name; the first of many threads opens it.

    A failed attempt leaves nothing behind: the next call tries again. `options_of` names the
    connection with whose options it is opened, where that is another one.
    """
    with _GUARD:
        lock = _LOCKS[host.name, name]
    with lock:
        if name not in host.connections:
            options = host.get_connection_parameters(options_of or name)
            host.open_connection(name, configuration or Config(), **options.dict())
        return host.connections[name].connection
