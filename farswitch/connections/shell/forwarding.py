"""Whether a server's sshd lets a login lead on to the guests behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import UnreachableError
from farswitch.errors import Obstacle
from farswitch.pace import patient

SSH_PORT = 22
SECONDS = 5.0
"""sshd refuses what is forbidden at once, before it connects; a guest need not be there yet."""


def forwarding_obstacles(shell: Shell, guests: Sequence[str]) -> Iterator[Obstacle]:
    """Ask for a channel to the first and to the last guest's address; yield what forbids it."""
    for address in dict.fromkeys((*guests[:1], *guests[-1:])):
        try:
            shell.channel(address, SSH_PORT, timeout=patient(SECONDS)).close()
        except UnreachableError as error:
            if error.prohibited:
                yield forbidden(shell.host, shell.user, address)
                return


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
