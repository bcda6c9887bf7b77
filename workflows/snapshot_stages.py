"""What `snapshot save`, `restore` and `remove` do, and what a study calls before each block."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from farswitch.errors import ConfigError, FarswitchError
from farswitch.guests.snapshots import (
    ClusterSnapshot,
    GuestSnapshots,
    SnapshotAbout,
    carry_on,
    cluster_snapshots,
    let_go,
    needs_seed,
)
from farswitch.model.node_names import fold, shown
from farswitch.rollback.timer import RESTORE, SAVE
from farswitch.run.locking import fenced
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, Step, guests, hypervisors, step
from tasks.clock import clock
from tasks.hold import hold
from tasks.snapshot import snapshot
from tasks.snapshot_look import snapshot_look
from tasks.snapshot_restore import snapshot_restore
from workflows.build import guests_stages, network_stages, servers_stage
from workflows.look import look


def look_stage(session: Session) -> Stage:
    """Return the look at all guests and their snapshots."""
    one = step(snapshot_look, guests=_guests_of(session), owner=session.cluster.owner)
    return Stage(hypervisors, (one,))


def looked(session: Session) -> dict[str, GuestSnapshots]:
    """Return what the look has found of each guest."""
    homes = {guest.name: guest.hypervisor for guest in session.cluster.guests}
    return {name: session.result("snapshot_look", home)[name] for name, home in homes.items()}


def found(session: Session) -> tuple[ClusterSnapshot, ...]:
    """Return the cluster's snapshots as the look has found them, the oldest first."""
    return cluster_snapshots(looked(session), session.cluster.name)


def chosen(session: Session, name: str) -> ClusterSnapshot:
    """Return the snapshot of that name.

    Raises:
        ConfigError: There is none.
    """
    there = {one.name: one for one in found(session)}
    if name not in there:
        has = f"it has {', '.join(there)}" if there else "it has none"
        raise ConfigError(
            f"Cluster '{session.cluster.name}' has no snapshot {shown(name)}; {has}.",
            hint=f"Save it: farswitch snapshot save {name}",
        )
    return there[name]


def before_save(session: Session, name: str) -> Iterator[Stage]:
    """Yield the look before a save; what one of that name left that was cut off goes.

    Raises:
        ConfigError: There is a snapshot of that name.
        FarswitchError: A guest does not run.
    """
    yield look_stage(session)
    states = {
        guest: look.domain.state if look.domain else "" for guest, look in looked(session).items()
    }
    if still := [guest for guest, state in states.items() if state != "running"]:
        raise FarswitchError(
            f"A snapshot is of guests that run, and {fold(still)} does not.",
            hint="Start them: farswitch build",
        )
    old = [one for one in found(session) if one.name == name]
    if old and not old[0].cut_off:
        raise ConfigError(
            f"Cluster '{session.cluster.name}' has a snapshot '{name}' of {old[0].moment}.",
            hint=f"Take another name, or first: farswitch snapshot remove {name}",
        )
    if old:
        yield _removal(session, name)


def save_stages(session: Session, name: str) -> Iterator[Stage]:
    """Yield the save itself: all guests stand still, and each is kept."""
    nodes = tuple(guest.name for guest in session.cluster.guests)
    about = SnapshotAbout(cluster=session.cluster.name, nodes=nodes, save=secrets.token_hex(8))
    undo = PerHost(lambda host: let_go(session.cluster.guests_of(host.name), name))
    yield _hold_stage(session, SAVE, undo=undo)
    yield Stage(guests, (_part(session, name, about=about.model_dump_json()),))


def restorable(session: Session, name: str) -> ClusterSnapshot:
    """Return the snapshot of that name, which can be restored.

    Raises:
        ConfigError: There is none.
        FarswitchError: It cannot be.
    """
    one = chosen(session, name)
    if one.refusal:
        raise FarswitchError(
            f"Snapshot '{name}' cannot be restored: {one.refusal}.",
            hint=f"Nothing was changed. It can only go: farswitch snapshot remove {name}",
        )
    return one


def check_snapshot(session: Session, name: str) -> ClusterSnapshot:
    """Return the snapshot of that name; refuse what cannot be restored before anything is touched.

    Raises:
        ConfigError: There is no such snapshot.
        FarswitchError: It cannot be restored, or was not looked at.
    """
    if not session.run([look_stage(session)]):
        raise FarswitchError(session.recorder.failures[0].error)
    return restorable(session, name)


def before_restore(session: Session, name: str) -> Iterator[Stage]:
    """Yield the look before a restore, and what brings the network into order.

    Raises:
        ConfigError: There is no such snapshot.
        FarswitchError: It cannot be restored.
    """
    yield look_stage(session)
    restorable(session, name)
    yield from network_stages(session)  # a guest does not come back without its bridges


def restore_stages(session: Session, name: str) -> Iterator[Stage]:
    """Yield the restore itself: all guests stand still, and each is put back."""
    one, pool = restorable(session, name), session.cluster.settings.pool_path
    undo = PerHost(lambda host: carry_on(session.cluster.guests_of(host.name), one.parts, pool))
    yield _hold_stage(session, RESTORE, undo=undo)
    seed = PerHost(lambda host: needs_seed(one.parts[host.name]))
    yield Stage(guests, (_on_guest(session, snapshot_restore, snapshot=name, seed=seed),))


def settling(session: Session) -> Iterator[Stage]:
    """Yield what guests need that have come back: their settings, and the time."""
    size = session.built_record.mtu
    look(session)  # their taps are new ones
    yield servers_stage(session, size, looked="status")
    yield from guests_stages(session, size)
    yield Stage(guests, (step(clock, hypervisor=PerHost(session.hypervisor_of)),), vital=False)


def let_go_on(session: Session, kind: str) -> bool:
    """Let all guests go on; return False where a server had let them go on by itself before."""
    name = "go_on"
    one = _hold_stage(session, kind, present=False, name=name)
    session.run([one], on_failed=True)
    homes = {guest.hypervisor for guest in session.cluster.guests}
    return all(session.recorder.results.get((name, home), True) for home in homes)


def restore_snapshot(session: Session, name: str) -> None:
    """Restore a snapshot, in a run that holds the locks; what failed is in its report.

    Raises:
        FarswitchError: A server has let the guests go on before all were back.
    """
    if not session.run(fenced(session, before_restore(session, name))):
        return
    done = session.run(fenced(session, restore_stages(session, name)))
    if session.options.dry_run:
        return
    if not let_go_on(session, RESTORE):
        raise FarswitchError(
            f"The restore of '{name}' took so long that the server has put the guests back by "
            "itself: they are of no one moment.",
            hint="Look what keeps its disk or processors busy, then restore again.",
        )
    if done:
        session.run(fenced(session, settling(session)))


def save_snapshot(session: Session, name: str) -> None:
    """Save a snapshot, in a run that holds the locks; one that failed leaves nothing.

    Raises:
        FarswitchError: A server has let the guests go on before all were kept.
    """
    if not session.run(fenced(session, before_save(session, name))):
        return
    done = session.run(fenced(session, save_stages(session, name)))
    if session.options.dry_run:
        return
    in_time = let_go_on(session, SAVE)
    if done and in_time:
        return
    session.run([_removal(session, name)], on_failed=True)
    if not in_time:
        raise FarswitchError(
            f"The save of '{name}' took so long that the server has let the guests go on; it is "
            "not kept.",
            hint="Look what keeps its disk or processors busy, then save again.",
        )


def remove_stages(session: Session, name: str) -> Iterator[Stage]:
    """Yield the removal of a snapshot from all guests."""
    yield look_stage(session)
    chosen(session, name)
    yield _removal(session, name)


def _hold_stage(session: Session, kind: str, name: str = "hold", **more: Any) -> Stage:
    one = step(
        hold, name=name, guests=_guests_of(session), owner=session.cluster.owner, kind=kind, **more
    )
    return Stage(hypervisors, (one,), together=True)


def _removal(session: Session, name: str) -> Stage:
    return Stage(guests, (_part(session, name, present=False),))


def _part(session: Session, name: str, **more: Any) -> Step:
    return _on_guest(session, snapshot, snapshot=name, **more)


def _on_guest(session: Session, task: Callable[..., Any], **more: Any) -> Step:
    guest = PerHost(lambda host: session.cluster.guest(host.name))
    return step(task, guest=guest, hypervisor=PerHost(session.hypervisor_of), **more)


def _guests_of(session: Session) -> PerHost:
    return PerHost(lambda host: session.cluster.guests_of(host.name))
