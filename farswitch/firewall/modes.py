"""The three firewall modes on a host: reset, narrow and check, and restoring at teardown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import read
from farswitch.firewall.apply import apply_reset, apply_restore
from farswitch.firewall.narrow import apply_narrow, describe_clashes, plan_narrow
from farswitch.firewall.rehearsal import rehearse
from farswitch.firewall.reset import PREFIX, plan_reset
from farswitch.firewall.restore import plan_restore
from farswitch.firewall.traffic import Flow
from farswitch.firewall.undo import undo_reset, undo_restore
from farswitch.model.owner import Owner
from farswitch.rollback.confirmed_change import confirmed_change
from farswitch.state.journal import FOLDER, load, store, stored

FirewallMode = Literal["reset", "narrow", "check"]
"""See docs/firewall.md."""


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
    owner: Owner,
    mode: FirewallMode | None,
    flows: Sequence[Flow] = (),
    *,
    dry_run: bool = False,
    folder: str = FOLDER,
) -> Done:
    """Converge a firewall by a mode; without any mode, restore what was taken and remove our rules.

    See docs/firewall.md for the modes. In `narrow` and `check` the flows have to pass. The folder
    is the journal's.

    Raises:
        FirewallInTheWayError: Mode `check`: something would drop a flow.
        RestoreError: Rules could not be restored as they are, so none was taken away.
    """
    if mode == "reset":
        return _reset(shell, owner, dry_run=dry_run, folder=folder)
    opened = flows if mode == "narrow" else ()
    with _restored(shell, owner.cluster, dry_run=dry_run, folder=folder) as done:
        have = read.observe(shell)
        plan = plan_narrow(have, opened, owner.mark)
        if not dry_run:
            with confirmed_change(shell, owner.cluster, plan.undo):
                apply_narrow(shell, plan)
    if mode == "check" and (found := describe_clashes(have, flows)):
        hint = "Let it pass, or set firewall: narrow (or reset) in the site."
        raise FirewallInTheWayError(shell.host, found, hint=hint)
    return replace(done, changes=(*done.changes, *plan.changes))


def _reset(shell: Shell, owner: Owner, *, dry_run: bool, folder: str) -> Done:
    book, have = load(shell, folder=folder), read.observe(shell)
    plan = plan_reset(have, book, owner.cluster, owner.mark)
    rehearse(shell, have, plan.emptied)
    if not dry_run:
        undo = undo_reset(have, owner.cluster, owner.mark)
        with confirmed_change(shell, owner.cluster, undo):
            apply_reset(shell, plan, folder)
    return Done(plan.changes, settled=stored(plan.journal))


@contextmanager
def _restored(shell: Shell, cluster: str, *, dry_run: bool, folder: str) -> Iterator[Done]:
    """Restore what a reset took, until after the block, in which more may open the way in.

    The journal forgets it only then: what is undone before is looked for again by the next run.
    """
    book = load(shell, folder=folder)
    if not book.keys(PREFIX, cluster):
        yield Done()
        return
    have = read.observe(shell)
    plan = plan_restore(have, book, cluster)
    done = Done(plan.changes, plan.notes, settled=False)
    if dry_run:
        yield done
        return
    with confirmed_change(shell, cluster, undo_restore(have, plan)):
        yield _without(done, apply_restore(shell, plan), shell.host)
    store(shell, plan.journal, folder=folder)


def _without(done: Done, lost: dict[str, str], server: str) -> Done:
    """Return what was restored where some tables could not have theirs."""
    gone = tuple(f"{place} " for place in lost)
    given = tuple(one for one in done.changes if not (gone and one.startswith(gone)))
    told = (
        f"The rules of {place} on '{server}' do not come back: something that they name is gone, "
        f"as after a reboot ({said})."
        for place, said in lost.items()
    )
    return replace(done, changes=given, lost=tuple(told))
