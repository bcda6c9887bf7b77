"""Reads what may be ours on a server, of whatever cluster; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from farswitch.connections.libvirt.domains import MARK_URI
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.netlink.links import Link
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import nft, read
from farswitch.leftovers.find import DEFINITIONS, ObservedServer, in_pools
from farswitch.leftovers.orphans import Times, named
from farswitch.remote import script
from farswitch.state import journal
from farswitch.state.record import Record, path_of
from farswitch.sysctl.files import SYSCTL_FILE, UDEV_FILE

Records = Mapping[str, Record | FarswitchError]
"""The records of a server by their clusters' names; for one that cannot be read, the reason."""
_TIMES = """
echo "NOW $(date +%s) $(cut -d . -f 1 /proc/uptime)"
[ $# -eq 0 ] || stat -L -c 'FILE %Y %n' -- "$@" 2>/dev/null
exit 0
"""


def observe(
    shell: Shell, links: Sequence[Link], records: Records, libvirt: Callable[[], Hypervisor]
) -> ObservedServer:
    """Return what is there; libvirt is asked only where it runs.

    Raises:
        FarswitchError: libvirt does not run, and the server has definitions of our domains.
    """
    files = shell.facts([SYSCTL_FILE, UDEV_FILE])
    observed = ObservedServer(
        links=links,
        tables=nft.objects(shell.run(("nft", "-j", "list", "ruleset")).stdout),
        rules=read.observe(shell),
        files={path: file.content.decode(errors="replace") for path, file in files.items() if file},
        journal=journal.load(shell),
        records=frozenset(records),
    )
    if not _runs_libvirt(shell):
        return observed
    hypervisor = libvirt()
    volumes = in_pools(
        hypervisor.pools(), lambda pool: hypervisor.volumes(pool.name, refresh=pool.ours)
    )
    return replace(observed, domains=hypervisor.list_domains(), volumes=volumes)


def _runs_libvirt(shell: Shell) -> bool:
    argv = ("sh", "-c", script("libvirt_traces"), "libvirt_traces", MARK_URI, DEFINITIONS)
    lines = shell.run(argv).stdout.splitlines()
    defined = [line.rpartition("/")[2] for line in lines if line.startswith("DOMAIN ")]
    if defined and "LIBVIRT" not in lines:
        raise FarswitchError(
            f"libvirt does not run on '{shell.host}', which has {len(defined)} domains of ours: "
            f"{', '.join(sorted(defined)[:3])}.",
            hint="Start it: systemctl start libvirtd",
        )
    return "LIBVIRT" in lines


def times_of(shell: Shell, observed: ObservedServer) -> Times:
    """Return the server's clock, and when the files of what was observed were written."""
    paths = {f"{DEFINITIONS}/{domain.name}.xml" for domain in observed.domains if domain.cluster}
    paths |= {volume.path for pool in (observed.volumes or {}).values() for volume in pool}
    paths |= {path_of(name) for name in observed.records}
    paths |= {*observed.files, f"{journal.FOLDER}/{journal.NAME}"}
    now, boot, written = 0, 0, {}
    for line in shell.run(("sh", "-c", _TIMES, "times", *sorted(paths))).stdout.splitlines():
        word, first, rest = line.split(" ", 2)
        if word == "NOW":
            now, boot = int(first), int(first) - int(rest)
        else:
            written[rest] = int(first)
    return Times(now, boot, written)


def first_vnis(records: Records) -> dict[str, int]:
    """Return the first VNI of each cluster that has a record here; a damaged one has none."""
    return {
        name: min(place.vni for place in have.places.values())
        for name, have in records.items()
        if named(name) and isinstance(have, Record) and have.places
    }
