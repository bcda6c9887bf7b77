"""What is undone in any case: by the host itself when our login to it ends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import Process

_AT_ITS_END = 'cat >/dev/null; exec "$@"'


def when_login_ends(login: Shell, argv: Sequence[str]) -> AbstractContextManager[Process]:
    """Return a block at whose end a program runs on a host, also where this one was killed.

    The program must do no harm where there is nothing to undo.
    """
    return closing(login.start(["sh", "-c", _AT_ITS_END, "undo", *argv]))
