"""One run at a time on a cluster, and the shared settings of a server for one cluster at a time.

A run holds its cluster's lock on every server, so that each of them lets go by itself when it
hears nothing more of the run, and ends the run's logins with it. On the head's hypervisor first:
there two runs meet whatever the order of their servers.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from farswitch.connections.fence import Fence
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lock.lease import FOLDER, SILENCE, Holder, Lease, LockLostError, Words, held_by
from farswitch.lock.reserved import shared

PATIENCE = 60
"""Seconds to wait for another cluster's change of shared settings; it takes one at most."""
LONGEST = 64
"""Characters that we quote of a word in a lock."""


class LockHeldError(FarswitchError):
    """Another run works on the cluster; `holder` says which."""

    def __init__(self, server: str, cluster: str, holder: Words) -> None:
        super().__init__(
            f"Another run works on cluster '{cluster}': {told(holder)}, on server '{server}'. "
            "Nothing was touched.",
            hint=f"Wait until it ends. A run that died holds nothing after {SILENCE:g} s.",
        )
        self.server = server
        self.holder = holder


class SharedSettingsHeldError(FarswitchError):
    """Other clusters change the shared settings of a server for longer than we wait."""

    def __init__(self, server: str, holders: Iterable[Words]) -> None:
        who = "; ".join(map(told, holders)) or "a run that ends just now"
        super().__init__(
            f"The shared settings of server '{server}' were in use for {PATIENCE} s: {who}.",
            hint="Wait until it ends and run this again.",
        )
        self.server = server


def told(holder: Words) -> str:
    """Return a run as people are told it; what a server sends is cut and freed of controls."""
    words = {key: plain(holder.get(key, "?")) for key in ("workflow", "user", "host", "pid")}
    since = plain(holder.get("since", "?"))
    return "{workflow} of {user}@{host} (pid {pid})".format(**words) + f" since {since}"


def words_of(cluster: str, workflow: str) -> Words:
    """Return what another run is told about this one."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        user = str(os.getuid())
    return {
        "cluster": cluster,
        "workflow": workflow,
        "user": user,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def clashes(ours: Words, others: Iterable[Words], server: str) -> Iterator[str]:
    """Yield a sentence for what a cluster that is being built just now lays claim to as well."""
    for other in others:
        for what in shared(ours, other.get("claims", {})):
            yield _clash(server, other, what)


class Locks:
    """The locks of one run, and the fence that they guard."""

    def __init__(
        self, fence: Fence, words: Words, claims: Words | None = None, *, silence: float = SILENCE
    ) -> None:
        self._fence = fence
        self._words = words
        self._claims = claims or {}
        self._silence = silence
        self._leases: list[Lease] = []

    def take(self, shell: Shell) -> None:
        """Take the cluster's lock on one server.

        Raises:
            LockHeldError: Another run has it.
            ConfigError: Another cluster is being built with VNIs or networks of ours.
        """
        name = str(self._words["cluster"])
        lease = Lease(shell, name, self._words, self._claims, silence=self._silence)
        if lease.busy is not None:
            raise LockHeldError(shell.host, name, lease.busy)
        if not lease.held:
            raise SharedSettingsHeldError(shell.host, held_by(shell))
        self._leases.append(lease)
        self._fence.add(lease.check)
        others = lease.answer.get("others", ())
        if found := list(clashes(self._claims, others, shell.host)):
            raise ConfigError("\n".join(found), hint="Change the site, or tear the other down.")

    def doubts(self) -> tuple[LockLostError, ...]:
        """Return an error for each lock that may be another run's by now; asks nobody."""
        found = (lease.doubt() for lease in self._leases)
        return tuple(error for error in found if error is not None)

    def release(self) -> None:
        """Let go in good order, the first lock last."""
        self._fence.open()
        for lease in reversed(self._leases):
            lease.release()

    def abandon(self, error: FarswitchError) -> None:
        """Let nothing pass the fence any more, and let go."""
        self._fence.shut(error)
        for lease in reversed(self._leases):
            lease.abandon()


@contextmanager
def shared_settings(shell: Shell, *, dry_run: bool = False) -> Iterator[tuple[Words, ...]]:
    """Keep other clusters' runs off the settings that all clusters of a server share.

    The journal, sysctls, the firewall's reset and the base images are read, judged and changed in
    several steps, which two runs must not mix.

    Args:
        shell: The server.
        dry_run: Nothing is changed, so nobody has to wait.

    Yields:
        Who holds a cluster's lock on the server now.

    Raises:
        SharedSettingsHeldError: Others had them for longer than we wait.
    """
    if dry_run:
        yield ()
        return
    holder = Holder(shell, "alone", FOLDER, str(PATIENCE))
    try:
        if "held" not in holder.answer:
            raise SharedSettingsHeldError(shell.host, held_by(shell))
        yield tuple(holder.answer["others"])
    finally:
        holder.close()


def _clash(server: str, other: Words, what: str) -> str:
    name = plain(other.get("cluster", "?"))
    who = f"cluster '{name}', which another run works on,"
    return f"On '{server}' {who} has {what} too: {told(other)}."


def plain(value: object) -> str:
    """Return a word of a server, cut and without control characters."""
    return "".join(one for one in str(value)[:LONGEST] if one.isprintable())
