"""MPICH, pinned to the data NIC and to its port ranges, whatever device it was built with.

Unpinned, UCX spreads payload over all NICs: half of it goes past the switch while everything seems
to work. sshd hands the variables to every session, so they hold for people, for scripts and for
the processes that the launcher starts.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FarswitchError
from farswitch.guests import sshd
from farswitch.guests.converge_files import apply, observe, plan, render
from farswitch.guests.files.mpi import SSHD, device, pins, wanted
from farswitch.image.root_tree import FINALIZE
from farswitch.model.cluster import Cluster
from farswitch.model.settings import Settings
from farswitch.site.nornir_data import guest_of

_PROBE = 'mpichversion || exit; [ ! -e "$1" ] || echo "finalize: yes"'


def mpi(
    task: Task, cluster: Cluster, *, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge MPICH's settings on one guest.

    Args:
        task: Runs on a guest.
        cluster: Whose guests are in the hostfile.
        present: False does nothing: a guest without its cluster is removed as a whole.
        dry_run: Only tell.

    Raises:
        FarswitchError: The guest has no MPICH, or one whose device we cannot pin.
    """
    if not present:
        return Result(host=task.host)
    login = shell(task)
    built_with, finalize = _check_mpich(login, guest_of(task.host).name, cluster.settings)
    want = wanted(cluster, finalize=finalize, built_with=built_with)
    changes = plan(observe(task, want), want)
    if not task.is_dry_run(dry_run):
        apply(login, changes)
        if any(change.file.path == SSHD for change in changes):
            sshd.reload(login)
    return Result(host=task.host, changed=bool(changes), diff=render(changes), result=len(changes))


def _check_mpich(login: Shell, guest: str, settings: Settings) -> tuple[str, bool]:
    """Return MPICH's device, and whether the image has the library that lets jobs end."""
    version = login.run(["sh", "-c", _PROBE, "mpi", FINALIZE], check=False)
    built_with = device(version.stdout)
    if version.status != 0 or not built_with:
        said = version.stderr.strip() or "mpichversion says nothing"
        raise FarswitchError(
            f"Guest '{guest}' has no MPICH: {said}.",
            hint="The image needs the package mpich.",
        )
    if not built_with.startswith(tuple(pins(settings))):
        raise FarswitchError(
            f"MPICH of guest '{guest}' was built with device '{built_with}', wanted one of "
            f"{', '.join(pins(settings))}: its payload cannot be pinned to the data NIC.",
            hint="Use an image with one of these.",
        )
    return built_with, "finalize: yes" in version.stdout
