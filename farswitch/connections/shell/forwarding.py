"""Whether a server's sshd lets a login lead on to the guests behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import UnreachableError
from farswitch.errors import Obstacle
from farswitch.pace import patient

SSH_PORT = 22
MOST = 32
"""Guests that are asked for, at once: PermitOpen may leave out any of them."""
SECONDS = 5.0
"""sshd refuses what is forbidden at once, before it connects; a guest need not be there yet."""


def forwarding_obstacles(shell: Shell, guests: Sequence[str]) -> Iterator[Obstacle]:
    """Ask for channels to guests' addresses side by side; yield what forbids the first of them."""
    with ThreadPoolExecutor(MOST) as threads:
        asked = _spread(guests)
        refused = threads.map(lambda address: _is_forbidden(shell, address), asked)
        for address, is_forbidden in zip(asked, refused, strict=True):
            if is_forbidden:
                yield forbidden(shell.host, shell.user, address)
                return


def _is_forbidden(shell: Shell, address: str) -> bool:
    try:
        shell.channel(address, SSH_PORT, timeout=patient(SECONDS)).close()
    except UnreachableError as error:
        return error.prohibited
    return False


def _spread(guests: Sequence[str]) -> list[str]:
    """Return all, or as many as are asked for, evenly from the first to the last."""
    count = min(len(guests), MOST)
    return [guests[at * (len(guests) - 1) // max(1, count - 1)] for at in range(count)]


def forbidden(host: str, user: str, address: str) -> Obstacle:
    """Return the obstacle of a login that may not lead on."""
    return Obstacle(
        f"The login of '{user}' on '{host}' may not lead on to guests, as to {address} port "
        f"{SSH_PORT}: its sshd forbids forwarding.",
        f"Append these lines to /etc/ssh/sshd_config of '{host}' and restart its sshd:\n"
        f"Match User {user}\n"
        "    DisableForwarding no\n"
        "    AllowTcpForwarding local\n"
        "    PermitOpen any\n"
        f"If that does not help, take restrict, no-port-forwarding and permitopen from your key's "
        f"line in ~{user}/.ssh/authorized_keys there.",
    )
