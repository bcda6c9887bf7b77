"""The three firewall modes on a host: reset, narrow and check, and restoring at teardown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError, Obstacle
from farswitch.firewall import read
from farswitch.firewall.apply import apply_reset, apply_restore
from farswitch.firewall.narrow import apply_narrow, plan_narrow
from farswitch.firewall.obstacles import FirewallMode, obstacles
from farswitch.firewall.rehearsal import rehearse
from farswitch.firewall.reset import plan_reset
from farswitch.firewall.restore import plan_restore
from farswitch.firewall.ruleset import Ruleset
from farswitch.firewall.traffic import Flow
from farswitch.firewall.undo import undo_reset, undo_restore
from farswitch.model.owner import Owner
from farswitch.rollback.confirmed_change import confirmed_change
from farswitch.state.journal import FOLDER, load, store, stored
from farswitch.state.keys import FIREWALL_KEYS


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
    """The rules of a host cannot be what a mode wants of them; nothing was touched."""

    def __init__(self, host: str, obstacles: Sequence[Obstacle]) -> None:
        whats = " ".join(obstacle.what for obstacle in obstacles)
        remedies = "\n".join(dict.fromkeys(obstacle.remedy for obstacle in obstacles))
        super().__init__(f"The firewall of '{host}' is in the way. {whats}", hint=remedies)
        self.obstacles = tuple(obstacles)


def converge(
    shell: Shell,
    owner: Owner,
    mode: FirewallMode | None,
    flows: Sequence[Flow] = (),
    *,
    have: Ruleset | None = None,
    dry_run: bool = False,
    folder: str = FOLDER,
) -> Done:
    """Converge a firewall by a mode; without any mode, restore what was taken and remove our rules.

    See docs/firewall.md for the modes. The flows have to pass. The folder is the journal's. What
    the server has is read here where it is not given, and before each change.

    Raises:
        FirewallInTheWayError: The mode leaves, or has to leave, what would drop a flow; or `reset`
            would have to empty a table that somebody else owns.
        RestoreError: Rules could not be restored as they are, so none was taken away.
    """
    if mode == "reset":
        have = have if have and dry_run else read.observe(shell)
        return _reset(shell, owner, flows, have, dry_run=dry_run, folder=folder)
    opened = flows if mode == "narrow" else ()
    with _restored(shell, owner.cluster, dry_run=dry_run, folder=folder) as done:
        have = have if have and dry_run else read.observe(shell)
        in_the_way = list(obstacles(have, mode, flows, shell.host))
        plan = plan_narrow(have, opened, owner.mark)
        if not (dry_run or in_the_way):
            with confirmed_change(shell, owner.cluster, plan.undo):
                apply_narrow(shell, plan)
    if in_the_way:
        raise FirewallInTheWayError(shell.host, in_the_way)
    return replace(done, changes=(*done.changes, *plan.changes))


def foresee(
    shell: Shell, owner: Owner, mode: FirewallMode, flows: Sequence[Flow]
) -> Iterator[Obstacle]:
    """Yield what would keep a mode from being carried out on a server; changes nothing."""
    try:
        converge(shell, owner, mode, flows, dry_run=True)
    except FirewallInTheWayError as error:
        yield from error.obstacles
    except FarswitchError as error:  # rules that cannot be restored, or read, or a damaged journal
        yield Obstacle(str(error), error.hint)


def _reset(
    shell: Shell, owner: Owner, flows: Sequence[Flow], have: Ruleset, *, dry_run: bool, folder: str
) -> Done:
    book = load(shell, folder=folder)
    if in_the_way := list(obstacles(have, "reset", flows, shell.host)):
        raise FirewallInTheWayError(shell.host, in_the_way)
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
    if cluster not in book.owners(FIREWALL_KEYS):
        yield Done()
        return
    have = read.observe(shell)
    plan = plan_restore(have, book, cluster)
    done = Done(plan.changes, plan.notes, settled=False, lost=plan.lost)
    if dry_run:
        yield done
        return
    with confirmed_change(shell, cluster, undo_restore(have, plan)):
        yield _without(done, apply_restore(shell, plan), shell.host)
    store(shell, plan.journal, folder=folder)


def _without(done: Done, lost: dict[str, str], server: str) -> Done:
    """Return what was restored where some tables could not have theirs."""
    gone = tuple(f"+ {place} " for place in lost) + tuple(f"~ {place} " for place in lost)
    given = tuple(line for line in done.changes if not (gone and line.startswith(gone)))
    sentences = (
        f"The rules of {place} on '{server}' do not come back: something that they name is gone, "
        f"as after a reboot ({why})."
        for place, why in lost.items()
    )
    return replace(done, changes=given, lost=(*done.lost, *sentences))
