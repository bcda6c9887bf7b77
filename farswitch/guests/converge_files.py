"""Files that we own whole: observe them in one round trip, compare, write what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import FileDigest
from farswitch.model.guest_file import File

FilesRead = Mapping[str, FileDigest | None]
"""What files are by their paths; None where there is none."""
GONE, MISSING = "removed", "missing"
_SIGNS = {GONE: "-", MISSING: "+"}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file to be written, or removed, and why."""

    file: File
    why: str

    def __str__(self) -> str:
        """Name the file; never its content, which may be secret."""
        sign = _SIGNS.get(self.why, "~")
        return f"{sign} {self.file.path}{f' ({self.why})' if sign == '~' else ''}"


def observe(login: Shell, files: Sequence[File], have: FilesRead | None = None) -> FilesRead:
    """Return digest, mode and owner of each file: as read before, else read now."""
    paths = [file.path for file in files]
    if have is not None and all(path in have for path in paths):
        return have
    return login.digests(paths)


def plan(have: FilesRead, want: Sequence[File], *, present: bool = True) -> list[FileChange]:
    """Return the files that are missing or differ; or those that are there and are to go."""
    reasons = {file: _reason(have[file.path], file, present=present) for file in want}
    return [FileChange(file, why) for file, why in reasons.items() if why]


def _reason(found: FileDigest | None, file: File, *, present: bool) -> str:
    if not present:
        return GONE if found else ""
    if found is None:
        return MISSING
    if found.sha256 != file.sha256:
        return "content"
    if found.mode != file.mode:
        return f"mode {found.mode:04o} -> {file.mode:04o}"
    if found.owner != file.owner:
        return f"owner {found.owner} -> {file.owner}"
    return ""


def apply(login: Shell, changes: Sequence[FileChange]) -> None:
    """Write each file whole, beside and renamed, or remove it."""
    for change in changes:
        file = change.file
        if change.why == GONE:
            login.remove(file.path)
        else:
            login.write(file.path, file.content, mode=file.mode, owner=file.owner)


def converge(
    task: Task,
    want: Sequence[File],
    *,
    have: FilesRead | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge files of the task's host: the whole of what a task about files does."""
    if have is None or any(file.path not in have for file in want):
        have = observe(shell(task), want)
    changes = plan(have, want, present=present)
    if changes and not task.is_dry_run(dry_run):
        apply(shell(task), changes)
    return result_of(task, changes)


def result_of(task: Task, changes: Sequence[FileChange], others: Sequence[str] = ()) -> Result:
    """Return the result of a task that changes files, and what else the diff names."""
    lines = [*map(str, changes), *others]
    return Result(host=task.host, changed=bool(lines), diff="\n".join(lines), count=len(lines))
