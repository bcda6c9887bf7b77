"""A file of the controller, given to a user of a guest."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.guests.commands import copy_in


def copy_file(
    task: Task,
    content: bytes,
    file_name: str,
    user: str,
    *,
    path: str = ".",
    mode: int = 0o644,
    seconds: float = 60.0,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge a file of a user's on a guest.

    Args:
        task: Runs on a guest.
        content: The file's bytes.
        file_name: Its name, where `path` is a folder.
        user: Whose it is, and who writes it there.
        path: Where it goes: absolute, or from the user's home on; by default into the home.
        mode: Its permission bits.
        seconds: How long the copy may take.
        present: False removes the file.
        dry_run: True only reports. None: as the run says.

    Returns:
        A result whose `result` is the file's path on the guest.

    Raises:
        CommandError: The user cannot write there.
        FarswitchError: The copy took too long.
    """
    wanted = (f"{mode:o}", content) if present else None
    changed, where = copy_in(
        shell(task), path, file_name, user, wanted, seconds=seconds, look=task.is_dry_run(dry_run)
    )
    diff = f"{'+' if present else '-'} file {where}" if changed else ""
    return Result(host=task.host, changed=changed, diff=diff, count=int(changed), result=where)
