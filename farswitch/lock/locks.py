"""One run at a time on a cluster, and the shared settings of a server for one cluster at a time.

A run holds its cluster's lock on every server, so that each of them releases it by itself when no
heartbeat of the run comes any more, and ends the run's logins with it. On the head's hypervisor
first: there two runs meet whatever the order of their servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from farswitch.connections.fence import Fence
from farswitch.connections.shell.base import Shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lock.agent import FOLDER, AgentProcess, held_by
from farswitch.lock.lease import SILENCE, Lease, LockLostError
from farswitch.lock.messages import LockHolder
from farswitch.lock.reserved import Reserved

PATIENCE = 60
"""Seconds to wait for another cluster's change of shared settings; it takes one at most."""


class LockHeldError(FarswitchError):
    """Another run works on the cluster; `holder` says which."""

    def __init__(self, server: str, cluster: str, holder: LockHolder) -> None:
        super().__init__(
            f"Another run works on cluster '{cluster}': {holder}, on server '{server}'. "
            "Nothing was touched.",
            hint=f"Wait until it ends. A run that died holds nothing after {SILENCE:g} s.",
        )
        self.server = server
        self.holder = holder


class SharedSettingsHeldError(FarswitchError):
    """Other clusters change the shared settings of a server for longer than we wait."""

    def __init__(self, server: str, holders: Iterable[LockHolder]) -> None:
        who = "; ".join(map(str, holders)) or "a run that ends just now"
        super().__init__(
            f"The shared settings of server '{server}' were in use for {PATIENCE} s: {who}.",
            hint="Wait until it ends and run this again.",
        )
        self.server = server


def clashes(ours: Reserved | None, others: Iterable[LockHolder], server: str) -> Iterator[str]:
    """Yield a sentence for what a cluster that is being built just now reserves as well."""
    for other in others:
        for what in ours.shared_with(other.reserved) if ours and other.reserved else ():
            yield (
                f"On '{server}' cluster '{other.cluster}', which another run works on, has {what} "
                f"too: {other}."
            )


class Locks:
    """The locks of one run, and the fence that they guard."""

    def __init__(self, fence: Fence, run: LockHolder, *, silence: float = SILENCE) -> None:
        self._fence = fence
        self._run = run
        self._silence = silence
        self._leases: list[Lease] = []

    def take(self, shell: Shell) -> None:
        """Take the cluster's lock on one server.

        Raises:
            LockHeldError: Another run has it.
            ConfigError: Another cluster is being built with VNIs or networks of ours.
        """
        lease = Lease(shell, self._run, silence=self._silence)
        if lease.reply.busy is not None:
            raise LockHeldError(shell.host, self._run.cluster, lease.reply.busy)
        if not lease.held:
            raise SharedSettingsHeldError(shell.host, held_by(shell))
        self._leases.append(lease)
        self._fence.add(lease.check)
        if found := list(clashes(self._run.reserved, lease.reply.others, shell.host)):
            raise ConfigError("\n".join(found), hint="Change the site, or tear the other down.")

    def doubts(self) -> tuple[LockLostError, ...]:
        """Return an error for each lock that may be another run's by now; asks nobody."""
        doubts = (lease.doubt() for lease in self._leases)
        return tuple(error for error in doubts if error is not None)

    def release(self) -> None:
        """Release all, the first lock last; nothing is left of them then."""
        self._fence.open()
        for lease in reversed(self._leases):
            lease.release()

    def abandon(self, error: FarswitchError) -> None:
        """Let nothing pass the fence any more, and let go."""
        self._fence.shut(error)
        for lease in reversed(self._leases):
            lease.abandon()


@contextmanager
def shared_settings(shell: Shell, *, dry_run: bool = False) -> Iterator[tuple[LockHolder, ...]]:
    """Keep other clusters' runs off the settings that all clusters of a server share.

    The journal, sysctls, the firewall's reset and the base images are read, judged and changed in
    several steps, which two runs must not mix. A dry run changes nothing, so nobody has to wait.

    Yields:
        The runs that hold a cluster's lock on the server now.

    Raises:
        SharedSettingsHeldError: Others had them for longer than we wait.
    """
    if dry_run:
        yield ()
        return
    agent = AgentProcess(shell, "shared", FOLDER, str(PATIENCE))
    try:
        if agent.reply.held is None:
            raise SharedSettingsHeldError(shell.host, held_by(shell))
        yield agent.reply.others
    finally:
        agent.close()
