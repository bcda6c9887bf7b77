"""What a guest is told: its seed has it at first boot, and the tasks hold it to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from farswitch.connections.shell.keys import KeyPair
from farswitch.guests.files.hosts import hosts_files, wanted_addresses
from farswitch.guests.files.mpi import MpiSettings, mpi_files, wanted_mpi
from farswitch.guests.files.nfs import Share, share_files, wanted_share
from farswitch.guests.files.ssh import (
    SshAccess,
    login_files,
    public_files,
    secret_files,
    wanted_access,
)
from farswitch.model.cluster import Cluster
from farswitch.model.guest_file import File
from farswitch.model.owner import Owner
from farswitch.state.record import Record


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """Names, keys, share and MPI of one guest, and whose guest it is."""

    owner: Owner
    host_key: KeyPair = field(repr=False)
    addresses: Mapping[str, IPv4Address]
    access: SshAccess
    share: Share
    mpi: MpiSettings

    def public_files(self, *, finalize: bool) -> tuple[File, ...]:
        """Return the files that may lie in a seed.

        `finalize`: the image has the library that lets jobs of older MPICH end.
        """
        return (
            *hosts_files(self.addresses, self.owner),
            *public_files(self.access, self.owner),
            *share_files(self.share, self.owner),
            *mpi_files(self.mpi, self.owner, finalize=finalize),
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the files of all tasks lie, those of secrets included."""
        secret = (*login_files(self.access), *secret_files(self.access))
        return tuple(file.path for file in (*self.public_files(finalize=False), *secret))


def wanted_configs(cluster: Cluster, record: Record) -> dict[str, GuestConfig]:
    """Return the configuration of each of the cluster's guests, by their names.

    What is the same for all is one object: it has a line for each guest.
    """
    addresses, access, mpi = (
        wanted_addresses(cluster),
        wanted_access(cluster, record),
        wanted_mpi(cluster),
    )
    return {
        guest.name: GuestConfig(
            owner=cluster.owner,
            host_key=record.hosts[guest.name],
            addresses=addresses,
            access=access,
            share=wanted_share(cluster, guest),
            mpi=mpi,
        )
        for guest in cluster.guests
    }
