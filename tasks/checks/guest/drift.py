"""Is each guest still as the build left it? The build's own tasks say, in dry run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.firewall import guest
from farswitch.firewall.guest import GuestRules
from farswitch.guests.config import wanted_config
from farswitch.proof.check import Check
from farswitch.proof.probe import Probe, Scene
from tasks.mpi import mpi
from tasks.mtu import mtu
from tasks.nfs import nfs
from tasks.ssh_keys import ssh_keys

T = TypeVar("T")
AS_BUILT = "as built"
CAUSE = "Somebody or something changed it since the build."
OPEN = "filters nothing"
UNSEEN = "Its kernel has, or may have, rules that no program in it can show."
FILTERED = "The image has a firewall, or somebody added rules; MPI and the share need it open."
CHECKS = {
    "guest.mtu": "data0 has the MTU of the data network.",
    "guest.firewall": "The guest filters nothing.",
    "guest.ssh_keys": "Keys, known hosts and their modes are as built.",
    "guest.nfs": "The export or the mount unit is as built, and runs.",
    "guest.mpi": "MPICH is pinned to data0 and its ports.",
}


def judge(name: str, host: str, found: Result | FarswitchError, rebuild: str) -> Check:
    """Return the verdict on what a task of the build would change.

    Args:
        name: The check's.
        host: The guest's name.
        found: What the task told, or why it could not.
        rebuild: The command of a build.
    """
    if isinstance(found, FarswitchError):
        return Check(name, host, ok=False, measured=str(found), expected=AS_BUILT, cause=CAUSE,
                     fix=found.hint or rebuild)  # fmt: skip
    diff = ", ".join((found.diff or f"{found.result} changes").splitlines())
    return Check(
        name,
        host,
        ok=not found.changed,
        measured=f"a build would change: {diff}" if found.changed else AS_BUILT,
        expected=AS_BUILT,
        cause=CAUSE,
        fix=rebuild,
    )


def judge_firewall(
    host: str, found: GuestRules | FarswitchError, line: Callable[[Sequence[str]], str]
) -> Check:
    """Return the verdict on a guest's own firewall.

    Args:
        host: The guest's name.
        found: What was seen, or why nothing was.
        line: Makes the line that runs a program on the guest.
    """
    cause, fix = FILTERED, ""
    if isinstance(found, FarswitchError):
        measured, cause, fix = f"not probed: {found}", "", found.hint
    elif found.closed:
        measured = f"chains with rules: {', '.join(found.closed)}"
        fix = line(["sh", "-ec", "; ".join(map(shlex.join, found.mend))])
    elif found.unseen:
        missing = ", ".join(found.unseen)
        measured, cause = f"not looked at: the guest has no {missing}", UNSEEN
        fix = f"Use an image that has {missing}."
    else:
        measured = OPEN
    return Check(
        "guest.firewall", host, ok=measured == OPEN, measured=measured, expected=OPEN,
        cause=cause, fix=fix,
    )  # fmt: skip


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Ask each task of one guest; all files are read in one round trip before."""
    cluster, record, host = scene.cluster, scene.record, task.host.name
    config = wanted_config(cluster, cluster.guest(host), record)
    have = shell(task).facts(config.paths)
    files: dict[str, Any] = {"owner": config.owner, "have": have, "dry_run": True}
    tasks: dict[str, Callable[[], Result]] = {
        "guest.mtu": partial(mtu, task, scene.mtu, dry_run=True),
        "guest.ssh_keys": partial(ssh_keys, task, config.access, **files),
        "guest.nfs": partial(nfs, task, config.share, **files),
        "guest.mpi": partial(mpi, task, config.mpi, **files),
    }
    for name, of in tasks.items():
        yield judge(name, host, _ask(of), scene.rebuild)
    looked = _ask(partial(guest.observe, shell(task)))
    yield judge_firewall(host, looked, partial(scene.command, host))


def _ask(of: Callable[[], T]) -> T | FarswitchError:
    try:
        return of()
    except FarswitchError as error:
        return error


PROBE = Probe("guests", CHECKS, run)
