"""Guests that are there and not wanted: found by our mark, removed with their disks and logs."""

from __future__ import annotations

from collections.abc import Collection

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, shell
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.guests.base_image import GUESTS
from farswitch.guests.domain import CONSOLE_FOLDER, disposable, read_mark
from farswitch.model.cluster import Cluster

QEMU_FOLDERS = ("/var/lib/libvirt/qemu", "/var/lib/libvirt/qemu/channel/target")
"""Where libvirt has a folder `domain-ID-NAME` for each domain that runs: after a power cut its key
and sockets stay there, and the domain's next start has another id."""
SHORT = 20
"""Characters of the name in it (VIR_DOMAIN_SHORT_NAME_MAX)."""

_REMOVE_FILES = """
cd "$1" && rm -f -- "$2.log" "$2.log".[0-9]* "$2-console.log" "$2-console.log".[0-9]*
short=$3
shift 3
for folder; do
  for one in "$folder"/domain-*-"$short"; do
    id=${one##*/domain-}
    id=${id%"-$short"}
    case $id in ''|*[!0-9]*) ;; *) [ -z "$short" ] || rm -rf -- "$one" ;; esac
  done
done
"""


def observe(hypervisor: Hypervisor, cluster: str) -> dict[str, str]:
    """Return the domain of each guest of the cluster that libvirt knows, by the guest's name."""
    marks = ((state.name, read_mark(state.xml)) for state in hypervisor.list_domains())
    return {mark.guest: name for name, mark in marks if mark and mark.cluster == cluster}


def plan(have: Collection[str], wanted: Collection[str]) -> list[str]:
    """Return the guests that are there and not wanted."""
    return sorted(set(have) - set(wanted))


def short_name(domain: str, running: Collection[str]) -> str:
    """Return a switched-off domain's name in libvirt's folders; nothing where it is not its own."""
    short = domain[:SHORT]
    return "" if any(one[:SHORT] == short for one in running) else short


def is_of_unwanted(volume: str, cluster: str, wanted: Collection[str]) -> bool:
    """Whether a volume, named CLUSTER.GUEST.WHAT, is of a guest that is not wanted."""
    found = GUESTS.fullmatch(volume)
    return found is not None and found[1] == cluster and found[2] not in wanted


def domains(
    task: Task, cluster: Cluster, wanted: Collection[str], *, dry_run: bool | None = None
) -> Result:
    """Remove the cluster's guests that are not wanted from one hypervisor.

    Args:
        task: Runs on a hypervisor.
        cluster: Whose guests.
        wanted: Names of the guests that stay; none at teardown.
        dry_run: Only tell.
    """
    hypervisor, login, pool = libvirt(task), shell(task), cluster.settings.pool
    have = observe(hypervisor, cluster.name)
    doomed = plan(have, wanted)
    volumes = [
        volume.name
        for volume in hypervisor.volumes(pool)
        if volume.ours and is_of_unwanted(volume.name, cluster.name, wanted)
    ]
    if not task.is_dry_run(dry_run):
        for guest in doomed:
            hypervisor.destroy(have[guest])
            # Cut off after this, a build makes the guest anew: it would start it without its disk.
            if state := hypervisor.domain(have[guest]):
                hypervisor.define(disposable(state.xml))
        for name in volumes:
            hypervisor.delete_volume(pool, name)
        running = [state.name for state in hypervisor.list_domains() if state.active]
        for guest in doomed:  # the definition last: it bears the mark by which the rest is found
            name = have[guest]
            words = (CONSOLE_FOLDER, name, short_name(name, running), *QEMU_FOLDERS)
            login.run(["sh", "-c", _REMOVE_FILES, "files", *words])
            hypervisor.undefine(name)
    gone = [
        *(f"- domain {have[guest]}" for guest in doomed),
        *(f"- volume {one}" for one in volumes),
    ]
    return Result(host=task.host, changed=bool(gone), diff="\n".join(gone), result=len(gone))
