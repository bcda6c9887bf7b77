"""Is each guest still as the build left it? The build's own tasks say, in dry run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import CommandTimeoutError
from farswitch.errors import FarswitchError
from farswitch.firewall import guest
from farswitch.firewall.guest import GuestRules
from farswitch.guests import observed
from farswitch.guests.config import GuestConfig, wanted_configs
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, attempt, sound
from tasks.mpi import mpi
from tasks.mtu import mtu
from tasks.nfs import nfs
from tasks.ssh_keys import ssh_keys

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
    """Return the verdict on what a task of the build would change."""
    if isinstance(found, FarswitchError):
        return Check(name, host, ok=False, measured=str(found), expected=AS_BUILT, cause=CAUSE,
                     fix=found.hint or rebuild)  # fmt: skip
    diff = ", ".join((found.diff or f"{getattr(found, 'count', 1)} changes").splitlines())
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
    """Return the verdict on a guest's own firewall."""
    cause, fix = FILTERED, ""
    if isinstance(found, FarswitchError):
        measured, cause, fix = f"not probed: {found}", "", found.hint
    elif found.closed:
        measured = f"chains with rules: {', '.join(found.closed)}"
        fix = line(["sh", "-ec", "; ".join(map(shlex.join, found.repair))])
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


def observe(
    task: Task, context: Context, config: GuestConfig
) -> tuple[dict[str, Result | FarswitchError], GuestRules | FarswitchError]:
    """Ask each task of one guest; all is read in one round trip before.

    Where something in it hangs, each task looks for itself: only one of them is to blame.
    """
    login = shell(task)
    try:
        have = observed.observe(login, config.share, config.paths)
    except CommandTimeoutError:
        have = None
    files: dict[str, Any] = {"owner": config.owner, "have": have, "dry_run": True}
    tasks: dict[str, Callable[[], Result]] = {
        "guest.mtu": partial(mtu, task, context.nic_mtu, have=have, dry_run=True),
        "guest.ssh_keys": partial(ssh_keys, task, config.access, **files),
        "guest.nfs": partial(nfs, task, config.share, **files),
        "guest.mpi": partial(mpi, task, config.mpi, **files),
    }
    found = {name: attempt(dry_run) for name, dry_run in tasks.items()}
    return found, have.rules if have else attempt(partial(guest.observe, login))


def verdicts(
    context: Context,
    host: str,
    observed: tuple[Mapping[str, Result | FarswitchError], GuestRules | FarswitchError],
) -> Iterator[Check]:
    """Yield the verdicts on one guest."""
    found, rules = observed
    for name, would in found.items():
        yield judge(name, host, would, context.rebuild)
    yield judge_firewall(host, rules, partial(context.command, host))


def prove(context: Context) -> Proof:
    """Ask each guest, and judge it by itself."""
    configs = wanted_configs(context.cluster, context.record)
    found: Observed[Any] = yield {
        "guests": lambda task, context: observe(task, context, configs[task.host.name])
    }

    def judged(host: str) -> Iterator[Check]:
        yield from verdicts(context, host, sound(found[host]))

    return {host: judged(host) for host in found}


PROBE = Probe("guests", CHECKS, prove)
