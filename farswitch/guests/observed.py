"""All that the steps on a guest that answers want to know, read in one round trip.

A command costs a slow guest 0.2 s, whatever it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell, digests_printed, digests_script
from farswitch.connections.shell.protocol import CommandError, FileDigest, Raw
from farswitch.firewall import guest
from farswitch.firewall.guest import GuestRules
from farswitch.guests import mpich, share_state
from farswitch.guests.config import GuestConfig
from farswitch.guests.converge_files import FilesRead
from farswitch.guests.files.mpi import DEVICE
from farswitch.guests.files.nfs import Share
from farswitch.guests.files.ssh import login_files, secret_files
from farswitch.guests.mpich import Mpich
from farswitch.guests.nfs_exports import Table
from farswitch.guests.share_state import ShareState
from farswitch.model.machines import DATA_NIC

MTU = 'cat "$1"'
"""The look at an MTU: its argument is the file."""


@dataclass(frozen=True, slots=True)
class ObservedGuest:
    """A guest as it is.

    Attributes:
        mtu: Of the data NIC, in bytes; None where there is no such NIC.
        rules: What its own firewall filters, or why that could not be read.
        share: The state of its export or mount.
        mpich: What its MPICH is.
        files: Ours, by their paths.
    """

    mtu: int | None
    rules: GuestRules | CommandError
    share: ShareState
    mpich: Mpich
    files: FilesRead


def observe(login: Shell, share: Share, paths: Sequence[str]) -> ObservedGuest:
    """Look at a guest in one round trip.

    Args:
        login: Its shell.
        share: What it exports or mounts.
        paths: The files of ours.

    Raises:
        CommandError: The files could not be read.
    """
    mtu, rules, unit, mounts, mpi, files = login.together(
        [
            (MTU, f"/sys/class/net/{DATA_NIC}/mtu"),
            (guest.LOOK,),
            *share_state.scripts(share),
            mpich.SCRIPT,
            digests_script(paths),
        ]
    )
    if files.status != 0:
        raise _failed(login, digests_script(paths), files)
    return ObservedGuest(
        mtu=int(mtu.stdout) if mtu.status == 0 else None,
        rules=(
            _failed(login, (guest.LOOK,), rules)
            if rules.status != 0
            else guest.parse(_text(rules.stdout))
        ),
        share=share_state.parsed(share, (unit, mounts)),
        mpich=mpich.parsed(mpi),
        files=digests_printed(files.stdout, paths),
    )


def as_seeded(config: GuestConfig, *, mtu: int, finalize: bool) -> ObservedGuest:
    """Return a guest as its first boot leaves it: its seed has all but what is secret.

    Args:
        config: What the guest is told.
        mtu: Of the data network, in bytes.
        finalize: Whether the image has the library that lets jobs of older MPICH end.
    """
    files = (*config.public_files(finalize=finalize), *login_files(config.access))
    return ObservedGuest(
        mtu=mtu,
        rules=GuestRules(),
        share=ShareState(active=True, table=Table("", ()), options=frozenset()),
        mpich=Mpich(DEVICE, finalize=finalize),
        files={
            **{file.path: FileDigest(file.sha256, file.mode, file.owner) for file in files},
            **{file.path: None for file in secret_files(config.access)},
        },
    )


def _failed(login: Shell, command: Sequence[str], printed: Raw) -> CommandError:
    return CommandError(login.host, ("sh", "-c", *command), printed.status, _text(printed.stderr))


def _text(printed: bytes) -> str:
    return printed.decode(errors="replace")
