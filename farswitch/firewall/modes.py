"""The three firewall modes on a host: reset, narrow and check, and restoring at teardown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import read
from farswitch.firewall.apply import apply_reset, apply_restore
from farswitch.firewall.narrow import apply_narrow, obstacles, plan_narrow
from farswitch.firewall.rehearsal import rehearse
from farswitch.firewall.reset import PREFIX, plan_reset
from farswitch.firewall.restore import plan_restore
from farswitch.firewall.traffic import flows
from farswitch.firewall.undo import undo_reset, undo_restore
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Server
from farswitch.rollback.confirmed import revertible
from farswitch.state.journal import FOLDER, load, store, stored


@dataclass(frozen=True, slots=True)
class Done:
    """What was (or would be) changed, one line a rule or policy, and what was left.

    `settled` tells that the journal too is as it should be; `lost` has a sentence for each table
    whose rules cannot come back.
    """

    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settled: bool = True
    lost: tuple[str, ...] = ()


class FirewallInTheWayError(FarswitchError):
    """The rules of a host would drop what the cluster needs; `found` has a sentence for each."""

    def __init__(self, host: str, found: tuple[str, ...], *, hint: str) -> None:
        super().__init__(f"The firewall of '{host}' is in the way. {' '.join(found)}", hint=hint)
        self.found = found


def converge(
    shell: Shell,
    cluster: Cluster,
    server: Server,
    *,
    device: str = "",
    present: bool = True,
    dry_run: bool = False,
    folder: str = FOLDER,
) -> Done:
    """Do what `firewall_reset` does on a server, over a shell."""
    if present and cluster.settings.firewall == "reset":
        return _reset(shell, cluster, dry_run=dry_run, folder=folder)
    wanted = flows(cluster, server, device) if present else ()
    checking = present and cluster.settings.firewall == "check"
    with _given_back(shell, cluster, dry_run=dry_run, folder=folder) as done:
        have = read.observe(shell)
        plan = plan_narrow(have, () if checking else wanted, cluster.owner.mark)
        if not dry_run:
            with revertible(shell, cluster, plan.undo):
                apply_narrow(shell, plan)
    if checking and (found := obstacles(have, wanted)):
        hint = "Let it pass, or set firewall: narrow (or reset) in the site."
        raise FirewallInTheWayError(shell.host, found, hint=hint)
    return replace(done, changes=(*done.changes, *plan.changes))


def _reset(shell: Shell, cluster: Cluster, *, dry_run: bool, folder: str) -> Done:
    book, have = load(shell, folder=folder), read.observe(shell)
    plan = plan_reset(have, book, cluster.name, cluster.owner.mark)
    rehearse(shell, have, plan.emptied)
    if not dry_run:
        undo = undo_reset(have, cluster.name, cluster.owner.mark)
        with revertible(shell, cluster, undo):
            apply_reset(shell, plan, folder)
    return Done(plan.changes, settled=stored(plan.journal))


@contextmanager
def _given_back(shell: Shell, cluster: Cluster, *, dry_run: bool, folder: str) -> Iterator[Done]:
    """Give back what a reset took, until after the block, in which more may open the way in.

    The journal forgets it only then: what is undone before is looked for again by the next run.
    """
    book = load(shell, folder=folder)
    if not book.keys(PREFIX, cluster.name):
        yield Done()
        return
    have = read.observe(shell)
    plan = plan_restore(have, book, cluster.name)
    done = Done(plan.changes, plan.notes, settled=False)
    if dry_run:
        yield done
        return
    with revertible(shell, cluster, undo_restore(have, plan)):
        yield _without(done, apply_restore(shell, plan), shell.host)
    store(shell, plan.journal, folder=folder)


def _without(done: Done, lost: dict[str, str], server: str) -> Done:
    """Return what was given back where some tables could not have theirs."""
    gone = tuple(f"{place} " for place in lost)
    given = tuple(one for one in done.changes if not (gone and one.startswith(gone)))
    told = (
        f"The rules of {place} on '{server}' do not come back: something that they name is gone, "
        f"as after a reboot ({said})."
        for place, said in lost.items()
    )
    return replace(done, changes=given, lost=tuple(told))
