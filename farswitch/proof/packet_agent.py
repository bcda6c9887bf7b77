"""A server that sends and catches test packets: the near end of `programs/frames.py`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from farswitch.connections.shell.protocol import LONGEST_LINE, Shell
from farswitch.errors import FarswitchError
from farswitch.remote import source

BLOCK = 1 << 16
HINT = "The server needs python3, and packet sockets for root."


class Packet(NamedTuple):
    """What is to be sent; `size` in bytes of IP packet, `mark` says by whom.

    `to` and `source` are addresses for `udp` and `icmp`; interface and MAC for a `frame`.
    """

    kind: str
    mark: int
    size: int
    to: str
    port: int
    source: str


class Arrival(NamedTuple):
    """What arrived, before any firewall saw it."""

    interface: str
    kind: str
    mark: int
    size: int


class Station:
    """The program on one server, from the start of a `with` block to its end.

    Args:
        login: To the server.
        token: What marks our packets.
        seconds: When the program ends by itself; each answer comes within them, or never.
    """

    def __init__(self, login: Shell, token: bytes, seconds: int) -> None:
        self.host = login.host
        self._process = login.start(
            ["python3", "-IS", "-c", source("packets"), str(seconds), token.hex()]
        )
        self._watchdog = threading.Timer(seconds + 2, self._process.close)
        self._watchdog.daemon = True
        self._received = b""

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.close()

    def listen(self, offsets: Mapping[str, int]) -> dict[str, str]:
        """Listen on interfaces, each with the token's offset; return those where it fails."""
        return {str(name): str(why) for name, why in self._ask({"listen": dict(offsets)}).items()}

    def send(self, packets: Sequence[Packet]) -> list[str | None]:
        """Send packets; return the error of each that could not be sent."""
        return list(self._ask({"send": packets}))

    def seen(self, count: int, seconds: float) -> set[Arrival]:
        """Return what arrived since the last question; wait for `count`, at most `seconds`."""
        return {Arrival(*one) for one in self._ask({"seen": seconds, "count": count})}

    def _ask(self, question: object) -> Any:
        try:
            self._process.write(json.dumps(question).encode() + b"\n")
            while b"\n" not in self._received:
                block = self._process.read(BLOCK)
                if not block:
                    raise self._ended()
                self._received += block
                if len(self._received) > LONGEST_LINE:
                    raise FarswitchError(
                        f"The test program on '{self.host}' gave more than {LONGEST_LINE} bytes "
                        "in one line.",
                        hint=HINT,
                    )
        except (OSError, ValueError) as error:
            raise self._ended() from error
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def _ended(self) -> FarswitchError:
        said = self._process.stderr_tail().strip().splitlines()
        why = said[-1] if said else "it said nothing"
        return FarswitchError(f"The test program on '{self.host}' ended: {why}.", hint=HINT)
