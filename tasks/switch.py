"""The switch of a server: whoever holds the ports, as its adapter has it."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from farswitch.errors import FarswitchError
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch, SwitchPort, remove_switches


def switch(
    task: Task,
    adapter: Switch,
    ports: Sequence[SwitchPort],
    owner: Owner,
    *,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the switch of a server; its ports' devices must be there.

    When it holds them, the owner's switches of other kinds are ended.

    Args:
        task: The Nornir task of the server.
        adapter: The kind of switch, with its settings.
        ports: All that the switch should hold.
        owner: Whose switch is meant.
        present: False: the switch lets go of all ports, and is ended.
        dry_run: True: report the changes, make none. None: as the run says.

    Returns:
        A result whose `count` is the number of changes, and whose `result` is an `ObservedSwitch`;
        None in a dry run.

    Raises:
        FarswitchError: It could not be made to hold all ports; the adapter's words say why.
    """
    wanted, dry = ports if present else (), task.is_dry_run(dry_run)
    have = adapter.observe(task.host, owner)
    changes = adapter.plan(have, wanted, owner)
    if changes and not dry:
        adapter.apply(task.host, owner, changes)
    found = None
    if not dry:
        found = adapter.look(task.host, owner, have=None if changes else have)
        _prove(task.host.name, adapter, found.state.held, wanted)
    lines = [*map(str, changes)]
    lines += remove_switches(task.host, owner, spared=adapter.kind, dry_run=dry)
    diff = "\n".join(lines)
    return Result(task.host, result=found, changed=bool(lines), diff=diff, count=len(lines))


def _prove(
    server: str, adapter: Switch, held: frozenset[str], wanted: Sequence[SwitchPort]
) -> None:
    missing = [port.device for port in wanted if port.device not in held]
    if missing:
        raise FarswitchError(
            f"The switch '{adapter.kind}' on '{server}' does not hold {', '.join(missing[:3])}.",
            hint="Look at it: farswitch status",
        )
