"""The cluster's record on the head's hypervisor: how many nodes it has, and its keys.

It is readable by root alone, so that any controller can go on with the cluster. Whoever is root
there owns the guests' disks anyway.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.model.owner import Owner
from farswitch.state.record import FOLDER, Record, RecordDamagedError, path_of, read, render


def record(
    task: Task,
    owner: Owner,
    want: Record | None = None,
    *,
    have: Record | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge the cluster's record on one server.

    Args:
        task: Nornir's task on the server that keeps the record: the first hypervisor.
        owner: The cluster.
        want: The record; needed where it is to be present.
        have: The record as it was read; read here where it is not given.
        present: False removes the record, also a damaged one.
        dry_run: Change nothing.

    Returns:
        `result` is the record that the server has then, in a dry run the one that it would have;
        None for none.

    Raises:
        NewerDocumentError: A newer release wrote the record that is there.
    """
    login, dry = shell(task), task.is_dry_run(dry_run)
    if not present:
        return _remove(task, login, owner.cluster, dry=dry)
    if want is None:
        raise ValueError("A record that is to be present has to be given.")
    have = have or read(login, owner.cluster)
    changed = want != have
    if changed and not dry:
        login.write(path_of(owner.cluster), render(want), mode=0o600)
    diff = _line(have, want) if changed else ""
    return Result(host=task.host, changed=changed, diff=diff, result=want, count=int(changed))


def _line(have: Record | None, want: Record) -> str:
    """Return the change of a record; never its keys, which are secret."""
    if have is None:
        return f"+ record of {want.nodes} node{'s' if want.nodes > 1 else ''}"
    pairs = ((name, getattr(have, name), getattr(want, name)) for name in ("nodes", "site", "mtu"))
    parts = [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]
    if have.switch != want.switch:
        names = [record.switch.name if record.switch else "the site's" for record in (have, want)]
        parts.append(f"switch {' -> '.join(names)}")
    return f"~ record {', '.join(parts) or 'keys or reserved networks'}"


def _remove(task: Task, login: Shell, cluster: str, *, dry: bool) -> Result:
    """Remove the record, and the folders that are empty then."""
    path = path_of(cluster)
    try:
        there = read(login, cluster) is not None
    except RecordDamagedError:
        there = True
    if not dry:
        login.remove(path)
        login.run(["rmdir", "--ignore-fail-on-non-empty", "--parents", FOLDER], check=False)
    diff = f"- {path}" if there else ""
    return Result(host=task.host, changed=there, diff=diff, result=None, count=int(there))
