"""The steps of one guest's boot: its disk, its seed and its domain."""

from __future__ import annotations

import dataclasses

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.guests.domain import Hardware, Mark, definition, render, seed_volume
from farswitch.guests.files import hosts, mpi, nfs, ssh
from farswitch.image.seed import Nic, Seed, User
from farswitch.image.seed_cloud_init import render as render_seed
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC, Guest
from farswitch.state.record import Record

GIB = 1 << 30
SSH_UNIT = "ssh.service"


def seed_of(
    cluster: Cluster, guest: Guest, record: Record, *, mtu: int, own_image: bool, again: str = ""
) -> Seed:
    """Return all that is known of the guest before its boot, but the users' private key.

    Args:
        cluster: Whose guest.
        guest: Which.
        record: The cluster's keys.
        mtu: Of the data network, in bytes.
        own_image: Whether the guest boots our image.
        again: A word that no earlier seed had: a guest that had one takes this one too, and starts
            its sshd at boot, whatever became of it.
    """
    settings = cluster.settings
    key = record.hosts[guest.name]
    files = (
        *hosts.wanted(cluster),
        *ssh.public_files(cluster, record),
        *nfs.wanted(cluster, guest),
        *mpi.wanted(cluster, finalize=own_image),
    )
    root_keys, user_keys = ssh.logins(record)
    return Seed(
        instance_id=f"{guest.domain}-{key.public.split()[1][-16:]}{again}",
        hostname=guest.name,
        nics=(
            Nic(DATA_NIC, guest.data_mac, guest.data_address, mtu),
            Nic(MANAGEMENT_NIC, guest.management_mac, guest.management_address, None),
        ),
        host_key=key.private.encode(),
        host_key_public=key.public.strip(),
        root_keys=root_keys,
        user=User(settings.user, settings.uid, user_keys),
        files=files,
        units=(*nfs.units(cluster, guest), *([SSH_UNIT] if again else [])),
    )


class Boot:
    """The boot of one guest: what its steps share."""

    def __init__(
        self, hypervisor: Hypervisor, cluster: Cluster, guest: Guest, hardware: Hardware
    ) -> None:
        self.hypervisor = hypervisor
        self.cluster = cluster
        self.guest = guest
        self.hardware = hardware
        self.pool = cluster.settings.pool

    def seed(self, record: Record, again: str = "") -> bytes:
        """Return the guest's seed; see `seed_of` for `again`."""
        hardware = self.hardware
        return render_seed(
            seed_of(
                self.cluster,
                self.guest,
                record,
                mtu=hardware.mtu,
                own_image=hardware.image.own,
                again=again,
            )
        )

    def definition(self, have: Mark | None) -> str:
        """Return the digest of what the guest's domain should be."""
        mark = have or self._mark(disk=1)
        return definition(self.cluster, self.guest, mark, self.hardware)

    def create(self, have: Mark | None, seed: bytes) -> Mark:
        """Make disk, seed and domain, and start it; a disk that was ever ready is kept.

        Raises:
            ForeignObjectError: A volume has the disk's name and is not ours.
        """
        mark = self._mark(disk=have.disk + 1 if have else 1)
        hypervisor, guest = self.hypervisor, self.guest
        if have is not None:
            hypervisor.destroy(guest.domain)
            if have.state == "new":
                hypervisor.delete_volume(self.pool, have.disk_volume)
        hypervisor.create_overlay(
            self.pool,
            mark.disk_volume,
            backing=self.hardware.image.disk,
            capacity=self.guest.settings.disk * GIB,
        )
        self._start_with(mark, seed)
        return mark

    def restart(self, mark: Mark, seed: bytes) -> Mark:
        """Pull the plug and start the guest from its disk, with a seed that it takes once more."""
        mark = dataclasses.replace(mark, state="stuck")  # should we end here: it was ready
        self.hypervisor.destroy(self.guest.domain)
        self._start_with(mark, seed)
        return mark

    def start(self, record: Record) -> None:
        """Start the guest as it is defined; one that is paused loses what it was at.

        A guest that was suspended to the disk since its first boot has its seed still attached.
        """
        hypervisor, guest = self.hypervisor, self.guest
        hypervisor.destroy(guest.domain)
        if hypervisor.is_suspended(guest.domain):
            self._upload(self.seed(record))
        hypervisor.start(guest.domain)

    def define(self, mark: Mark, *, seed: bool = False) -> None:
        """Write the domain's lasting definition; a running one is not disturbed."""
        self.hypervisor.define(render(self.cluster, self.guest, mark, self.hardware, seed=seed))

    def settle(self, mark: Mark) -> None:
        """Mark the guest as ready and remove the seed, which holds its host key."""
        if mark.state != "ready":
            self.define(dataclasses.replace(mark, state="ready"))
        self.hypervisor.delete_volume(self.pool, seed_volume(self.guest))

    def withdraw_seed(self, mark: Mark) -> None:
        """Remove the seed of a guest that failed: the next build writes another.

        A guest that still reads it goes on; the definition must not ask for a volume that is gone.
        """
        self.define(mark)
        self.hypervisor.delete_volume(self.pool, seed_volume(self.guest))

    def fail(self, mark: Mark, *, damaged: bool = False) -> None:
        """Note what the next build has to do: restart the guest, or give it a new disk."""
        if mark.state != "new":
            self.define(dataclasses.replace(mark, state="failed" if damaged else "stuck"))

    def _start_with(self, mark: Mark, seed: bytes) -> None:
        self.hypervisor.discard_suspended(self.guest.domain)  # on another disk it would harm that
        self._upload(seed)
        self.define(mark, seed=True)
        self.hypervisor.start(self.guest.domain)

    def _upload(self, seed: bytes) -> None:
        name = seed_volume(self.guest)
        self.hypervisor.upload(self.pool, name, seed, len(seed), mode=0o600)

    def _mark(self, *, disk: int) -> Mark:
        return Mark(
            cluster=self.cluster.name,
            guest=self.guest.name,
            state="new",
            image=self.hardware.image.name,
            disk=disk,
        )
