"""The servers' firewalls: emptied, opened narrowly, or only looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from nornir.core.task import Result, Task

from connections import access
from connections.shell import Shell
from inventory.errors import FarswitchError
from inventory.hosts import server_of
from inventory.model import Cluster, Server
from tasks import ruleset_read
from tasks.firewall_apply import apply_reset, apply_restore
from tasks.firewall_narrow import apply_narrow, obstacles, plan_narrow
from tasks.firewall_plan import PREFIX, plan_reset
from tasks.firewall_rehearsal import rehearse
from tasks.firewall_restore import plan_restore
from tasks.firewall_undo import undo_reset, undo_restore
from tasks.flows import flows
from tasks.guest_firewall import check_guest
from tasks.journal_file import FOLDER, load, store, stored
from tasks.lock import shared_settings
from tasks.revert import carrying, revertible, settle, settle_shared


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


def firewall_reset(
    task: Task,
    cluster: Cluster,
    *,
    device: str = "",
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the firewall of one server by the site's mode; look at the one of a guest.

    Args:
        task: Nornir's task on a server or a guest.
        cluster: The cluster, with the mode in its settings.
        device: The server's interface on the underlay; empty for any.
        present: False gives back what was taken away and takes back what was added.
        dry_run: True tells what would change; None takes Nornir's setting.

    Returns:
        The count of rules and policies that were (or would be) changed.

    Raises:
        FirewallInTheWayError: Mode `check`: something would drop the cluster's traffic.
        GuestFirewallError: The guest filters.
        RestoreError: Rules could not be given back as they are, so none was taken away.
    """
    shell, dry = access.shell(task), task.is_dry_run(dry_run)
    if "server" not in task.host:
        return Result(host=task.host, changed=False, result=check_guest(shell) if present else 0)
    server = server_of(task.host)
    with carrying(undone := () if dry else settle(shell, cluster)):
        try:
            done = converge(shell, cluster, server, device=device, present=present, dry_run=True)
        except FirewallInTheWayError:
            if dry:
                raise
            done = Done(settled=False)  # what is to be given back comes first
        if not dry and (done.changes or not done.settled):
            with shared_settings(shell):  # somebody else may have changed something until now
                settle_shared(shell)
                done = converge(shell, cluster, server, device=device, present=present)
    lines, count = "\n".join((*done.changes, *done.notes)), len(done.changes)
    told = [*undone, *done.lost]
    return Result(host=task.host, changed=count > 0, diff=lines, result=count, warnings=told)


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
        have = ruleset_read.observe(shell)
        plan = plan_narrow(have, () if checking else wanted, cluster.mark)
        if not dry_run:
            with revertible(shell, cluster, plan.undo):
                apply_narrow(shell, plan)
    if checking and (found := obstacles(have, wanted)):
        hint = "Let it pass, or set firewall: narrow (or reset) in the site."
        raise FirewallInTheWayError(shell.host, found, hint=hint)
    return replace(done, changes=(*done.changes, *plan.changes))


def _reset(shell: Shell, cluster: Cluster, *, dry_run: bool, folder: str) -> Done:
    book, have = load(shell, folder=folder), ruleset_read.observe(shell)
    plan = plan_reset(have, book, cluster.name, cluster.mark)
    rehearse(shell, have, plan.emptied)
    if not dry_run:
        undo = undo_reset(have, cluster.name, cluster.mark)
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
    have = ruleset_read.observe(shell)
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
