"""/etc/hosts of every guest: each name resolves to the data address, never to a loopback one.

MPICH's processes send each other their host's name; one that resolves to 127.0.1.1 breaks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from nornir.core.task import Result, Task

from farswitch.guests.converge_files import converge
from farswitch.guests.files.hosts import hosts_files
from farswitch.guests.observed import ObservedGuest
from farswitch.model.owner import Owner


def hosts_file(
    task: Task,
    addresses: Mapping[str, IPv4Address],
    owner: Owner,
    *,
    have: ObservedGuest | None = None,
    present: bool = True,
    dry_run: bool | None = None,
) -> Result:
    """Converge /etc/hosts of one guest.

    Args:
        task: Runs on a guest.
        addresses: The address that each name leads to.
        owner: Whose mark the file bears.
        have: The guest as it was observed before; None reads the file.
        present: False leaves localhost alone in the file.
        dry_run: True only reports. None: as the run says.
    """
    return converge(
        task,
        hosts_files(addresses if present else {}, owner),
        have=have.files if have else None,
        dry_run=dry_run,
    )
