"""A run's locks: taken before it reads what it will change, and checked before each change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from nornir.core.inventory import Host

from farswitch.connections import access
from farswitch.connections.open_once import begun
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.lock.agent import held_by
from farswitch.lock.locks import Locks
from farswitch.lock.messages import this_run
from farswitch.lock.reserved import reserved_by
from farswitch.run.session import Session
from farswitch.run.stages import Stage, servers
from farswitch.site.nornir_data import fence_of


@contextmanager
def locked(
    session: Session, *, cluster: str = "", head: Host | None = None, reach_all: bool = True
) -> Iterator[None]:
    """Hold the cluster's lock on every server; a dry run only names who else holds it.

    Two runs meet first at the head: if not given, the server that keeps the record. The cluster is
    the site's if not given. Unless `reach_all`, a server that does not answer is left out: its
    stages fail anyway.

    Raises:
        LockHeldError: Another run has it; nothing was touched.
    """
    name, first = cluster or session.cluster.name, head or session.head_host
    if session.options.dry_run:
        note_holder(session, name, first)
        yield
        return
    reserved = reserved_by(session.cluster) if session.workflow == "build" else None
    run = this_run(name, session.workflow, reserved)
    locks = Locks(fence_of(session.nornir.inventory), run)
    others = [host for host in session.hosts(servers) if host.name != first.name]
    logins = [begun(partial(access.shell, host)) for host in (first, *others)]
    try:
        for login in logins:
            with suppress(*(() if reach_all else (ConnectionLostError,))):
                locks.take(login())
        yield
        if session.recorder.failures:  # a run that woke up sees only cut logins
            for error in locks.doubts():
                session.note(f"{error} {error.hint}")
    except Exception:  # between two stages: nothing is under way
        locks.release()
        raise
    except BaseException:  # Ctrl-C: the workers may be in the middle of something
        locks.abandon(FarswitchError("The run was ended."))
        raise
    locks.release()


def fenced(session: Session, stages: Iterable[Stage]) -> Iterator[Stage]:
    """Yield the stages, each only while the locks are held.

    Raises:
        LockLostError: One was lost: the run ends.
    """
    fence = fence_of(session.nornir.inventory)
    for stage in stages:
        fence.check()
        yield stage
    fence.check()


def note_holder(session: Session, cluster: str, head: Host) -> None:
    """Note that a build or teardown of the cluster is under way, for a run that only looks.

    The run itself reports a server that cannot be reached.
    """
    with suppress(FarswitchError):
        for holder in held_by(access.shell(head)):
            if holder.cluster == cluster:
                session.note(f"Under way at the same time: {holder}.")
