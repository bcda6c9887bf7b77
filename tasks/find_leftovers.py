"""Reads all that farswitch has on a server, of whatever cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections import access
from farswitch.connections.libvirt.domains import MARK_URI
from farswitch.connections.netlink import links
from farswitch.connections.shell.protocol import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import nft, read
from farswitch.leftovers.find import DEFINITIONS, Look, find, in_pools
from farswitch.leftovers.found import Seen, Times, named
from farswitch.state import record
from farswitch.state.journal import FOLDER, NAME, load
from farswitch.sysctl.files import SYSCTL_FILE, UDEV_FILE

SEEN = "seen"
"""The key of what was seen of a server in its Nornir data."""
# The domains' definitions are looked at only to tell that libvirt is needed and does not run.
_LOOK = f"""
for socket in /run/libvirt/libvirt-sock /run/libvirt/virtqemud-sock; do
  [ ! -S "$socket" ] || echo LIBVIRT
done
grep -lsF '{MARK_URI}' {DEFINITIONS}/*.xml | sed 's/^/DOMAIN /'
exit 0
"""
_TIMES = """
echo "NOW $(date +%s) $(cut -d . -f 1 /proc/uptime)"
[ $# -eq 0 ] || stat -L -c 'FILE %Y %n' -- "$@" 2>/dev/null
exit 0
"""


def remains(task: Task) -> Result:
    """Read what farswitch has on one server, and keep it in the host's data; changes nothing.

    Raises:
        FarswitchError: libvirt does not run, and the server has definitions of our domains.
    """
    shell = access.shell(task)
    with access.netlink(task).session() as ipr:
        dumped = links.dump(ipr)
    files = shell.facts([SYSCTL_FILE, UDEV_FILE])
    records = record.read_all(shell)
    look = Look(
        links=dumped,
        listed=nft.objects(shell.run(("nft", "-j", "list", "ruleset")).stdout),
        rules=read.observe(shell),
        files={path: one.content.decode(errors="replace") for path, one in files.items() if one},
        book=load(shell),
        records=frozenset(records),
    )
    if _runs_libvirt(shell):
        hypervisor = access.libvirt(task)
        domains, pools = hypervisor.list_domains(), hypervisor.pools()
        volumes = in_pools(pools, hypervisor.volumes)
        look = Look(
            look.links, look.listed, look.rules, look.files, look.book, look.records,
            domains, pools, volumes,
        )  # fmt: skip
    task.host.data[SEEN] = find(look, _times(shell, look), _bases(records), server=task.host.name)
    return Result(host=task.host)


def seen_of(host: Host) -> Seen | None:
    """Return what was seen of a server; None where it could not be looked at."""
    return cast("Seen | None", host.data.get(SEEN))


def _runs_libvirt(shell: Shell) -> bool:
    lines = shell.run(("sh", "-c", _LOOK)).stdout.splitlines()
    defined = [line.rpartition("/")[2] for line in lines if line.startswith("DOMAIN ")]
    if defined and "LIBVIRT" not in lines:
        raise FarswitchError(
            f"libvirt does not run on '{shell.host}', which has {len(defined)} domains of ours: "
            f"{', '.join(sorted(defined)[:3])}.",
            hint="Start it: systemctl start libvirtd",
        )
    return "LIBVIRT" in lines


def _times(shell: Shell, look: Look) -> Times:
    paths = {f"{DEFINITIONS}/{domain.name}.xml" for domain in look.domains if domain.cluster}
    paths |= {volume.path for found in (look.volumes or {}).values() for volume in found}
    paths |= {record.path_of(name) for name in look.records}
    paths |= {*look.files, f"{FOLDER}/{NAME}"}
    now, boot, written = 0, 0, {}
    for line in shell.run(("sh", "-c", _TIMES, "times", *sorted(paths))).stdout.splitlines():
        word, first, rest = line.split(" ", 2)
        if word == "NOW":
            now, boot = int(first), int(first) - int(rest)
        else:
            written[rest] = int(first)
    return Times(now, boot, written)


def _bases(records: Mapping[str, record.Record | FarswitchError]) -> dict[str, int]:
    """Return the first VNI of each cluster that has a record here; a damaged one has none."""
    return {
        name: min(place.vni for place in have.places.values())
        for name, have in records.items()
        if named(name) and isinstance(have, record.Record) and have.places
    }
