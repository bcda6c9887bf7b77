"""Files that we own whole: observe them in one round trip, compare, write what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nornir.core.task import Result, Task

from connections.access import shell
from connections.command import FileFacts, Shell
from image.seed import File


@dataclass(frozen=True, slots=True)
class Change:
    """A file to be written, and why."""

    file: File
    why: str


def observe(login: Shell, files: Sequence[File]) -> Mapping[str, FileFacts | None]:
    """Read content, mode and owner of each file; None where there is none."""
    return login.facts([file.path for file in files])


def plan(have: Mapping[str, FileFacts | None], want: Sequence[File]) -> list[Change]:
    """Return the files that are missing or differ in content, mode or owner."""
    changes = []
    for file in want:
        found = have[file.path]
        if found is None:
            changes.append(Change(file, "missing"))
        elif found.content != file.content:
            changes.append(Change(file, "content"))
        elif found.mode != file.mode:
            changes.append(Change(file, f"mode {found.mode:04o} -> {file.mode:04o}"))
        elif found.owner != file.owner:
            changes.append(Change(file, f"owner {found.owner} -> {file.owner}"))
    return changes


def apply(login: Shell, changes: Sequence[Change]) -> None:
    """Write each file whole, beside and renamed."""
    for change in changes:
        file = change.file
        login.write(file.path, file.content, mode=file.mode, owner=file.owner)


def render(changes: Sequence[Change]) -> str:
    """Return one line a file; never its content, which may be secret."""
    return "\n".join(f"~ {change.file.path} ({change.why})" for change in changes)


def converge(task: Task, want: Sequence[File], *, dry_run: bool | None = None) -> Result:
    """Converge files of the task's host: the whole of what a task about files does."""
    login = shell(task)
    changes = plan(observe(login, want), want) if want else []
    if not task.is_dry_run(dry_run):
        apply(login, changes)
    return Result(host=task.host, changed=bool(changes), diff=render(changes), result=len(changes))
