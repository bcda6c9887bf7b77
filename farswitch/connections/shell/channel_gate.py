"""Channels of a login that send nothing after their close.

paramiko prepares a message of a channel under the channel's lock and sends it without. So the end
of the input, or some of it, may be overtaken by the answer to the command's end, which closes the
channel; sshd takes that for an attack and ends the whole login, with all that runs in it
(https://github.com/paramiko/paramiko/issues/1115).
"""

from __future__ import annotations

import threading
from typing import Any

from paramiko.common import MSG_CHANNEL_CLOSE  # type: ignore[import-untyped]


class Gate:
    """Stands in for a channel's transport: one message at a time, and none after the close."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._turn = threading.Lock()
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_user_message(self, message: Any) -> None:
        with self._turn:
            if not self._closed:
                self._closed = message.asbytes()[0] == MSG_CHANNEL_CLOSE
                self._transport._send_user_message(message)  # noqa: SLF001 - paramiko has no other


def gated(channel: Any) -> Any:
    """Return a channel that was just opened, with a gate before its transport."""
    channel._set_transport(Gate(channel.transport))  # noqa: SLF001 - paramiko has no other
    return channel
