"""The steps of one guest's boot: its disk, its seed and its domain."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.guests.config import GuestConfig
from farswitch.guests.console import tail
from farswitch.guests.domain import Hardware, Mark, definition, render, seed_volume
from farswitch.image.seed import Nic, Seed, User
from farswitch.image.seed_cloud_init import render as render_seed
from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC, Guest

GIB = 1 << 30
SSH_UNIT = "ssh.service"


def seed_of(
    guest: Guest, config: GuestConfig, *, mtu: int, own_image: bool, renewed: bool = False
) -> Seed:
    """Return all that is known of the guest before its boot, but the user's private key.

    The MTU is the data network's, in bytes. A `renewed` seed has a name that no earlier one had: a
    guest that had one takes this one too, and starts its sshd at boot, whatever became of it.
    """
    settings, key = guest.settings, config.host_key
    again = f"-{secrets.token_hex(4)}" if renewed else ""
    return Seed(
        instance_id=f"{guest.domain}-{key.public.split()[1][-16:]}{again}",
        hostname=guest.name,
        nics=(
            Nic(DATA_NIC, guest.data_mac, guest.data_address, mtu),
            Nic(MANAGEMENT_NIC, guest.management_mac, guest.management_address, None),
        ),
        host_key=key.private.encode(),
        host_key_public=key.public.strip(),
        root_keys=config.access.root_keys,
        user=User(settings.user, settings.uid, config.access.user_keys),
        files=config.public_files(finalize=own_image),
        units=(*config.share.units, *([SSH_UNIT] if renewed else [])),
    )


class BootTimes(dict[str, float]):
    """The seconds of each step of a boot, by its name."""


@dataclass(frozen=True, slots=True)
class Boot:
    """The boot of one guest: what its steps share.

    A guest that is not started needs no `config`. `took` has the seconds of each step so far.
    """

    hypervisor: Hypervisor
    server: Shell
    guest: Guest
    config: GuestConfig | None
    hardware: Hardware
    took: BootTimes = field(default_factory=BootTimes)

    @property
    def pool(self) -> str:
        return self.guest.settings.pool

    def seed(self, *, renewed: bool = False) -> bytes:
        """Return the guest's seed; see `seed_of` for `renewed`.

        Raises:
            FarswitchError: The guest has no keys yet.
        """
        if self.config is None:
            raise FarswitchError(f"Guest '{self.guest.name}' has no keys to be started with.")
        hardware = self.hardware
        seed = seed_of(
            self.guest, self.config, mtu=hardware.mtu, own_image=hardware.image.own, renewed=renewed
        )
        return render_seed(seed)

    def definition(self, have: Mark | None) -> str:
        """Return the digest of what the guest's domain should be."""
        return definition(self.guest, have or self._mark(disk=1), self.hardware)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count the seconds of a step, also of one that fails or comes again."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.took[step] = self.took.get(step, 0.0) + time.monotonic() - began

    def disk(self, mark: Mark) -> str:
        """Return the path of the guest's disk on its hypervisor."""
        return f"{self.hardware.pool_path}/{mark.disk_volume}"

    def disk_is_gone(self, mark: Mark) -> bool:
        """Return whether the pool, which is started, has no such disk any more."""
        volume = self._volume(mark)
        if volume is None:
            pool = self.hypervisor.pool(self.pool)  # the look may have stopped it
            return pool is not None and pool.active
        return volume.replaced or (volume.ours and not volume.complete)

    def _volume(self, mark: Mark) -> VolumeState | None:
        """Return the guest's disk; None is sure: a file system may have been mounted meanwhile."""
        name = mark.disk_volume
        return self.hypervisor.volume(self.pool, name) or self.hypervisor.volume(
            self.pool, name, anew=True
        )

    def check_mark_of_disk(self, mark: Mark) -> None:
        """Refuse to replace a disk that is gone with its mark: its file system may be away.

        Raises:
            FarswitchError: The pool has neither.
        """
        if self._volume(mark) is not None:
            return
        server = self.guest.hypervisor
        raise FarswitchError(
            f"The disk of guest '{self.guest.name}', {self.disk(mark)} on '{server}', is "
            "gone with its mark.",
            hint=f"If the file system of {self.hardware.pool_path} is not mounted, mount it there. "
            f"If the disk is lost, have a new one: on '{server}', virsh undefine "
            f"{self.guest.domain}; then: farswitch build",
        )

    def console(self) -> list[str]:
        """Return the console's end; the cause of a failed boot must not get lost with a login."""
        try:
            return tail(self.server, self.guest.domain)
        except FarswitchError as error:
            return [f"(not readable: {error})"]

    def create(self, have: Mark | None, seed: bytes) -> Mark:
        """Make disk, seed and domain, and start it; a disk that was ever ready is kept.

        Raises:
            ForeignObjectError: A volume has the disk's name and is not ours.
        """
        mark = self._mark(disk=have.disk + 1 if have else 1)
        hypervisor, guest = self.hypervisor, self.guest
        if have is not None:
            hypervisor.destroy(guest.domain)
            if have.state == "new" or self.disk_is_gone(have):
                hypervisor.delete_volume(self.pool, have.disk_volume)
        hypervisor.create_overlay(
            self.pool,
            mark.disk_volume,
            backing=self.hardware.image.disk,
            capacity=self.guest.settings.disk * GIB,
            owner=hypervisor.qemu_user(),  # libvirt may be set up to change no owners
        )
        self._start_with(mark, seed)
        return mark

    def restart(self, mark: Mark, seed: bytes) -> Mark:
        """Pull the plug and start the guest from its disk, with a seed that it takes once more."""
        mark = replace(mark, state="stuck")  # should we end here: it was ready
        self.hypervisor.destroy(self.guest.domain)
        self._start_with(mark, seed)
        return mark

    def start(self) -> None:
        """Start the guest as it is defined; one that is paused loses what it was at.

        A guest that was suspended to the disk since its first boot has its seed still attached.
        """
        hypervisor, guest = self.hypervisor, self.guest
        hypervisor.destroy(guest.domain)
        if hypervisor.is_suspended(guest.domain):
            self._upload(self.seed())
        hypervisor.start(guest.domain)

    def define(self, mark: Mark, *, seed: bool = False) -> None:
        """Write the domain's lasting definition; a running one is not disturbed."""
        self.hypervisor.define(render(self.guest, mark, self.hardware, seed=seed))

    def settle(self, mark: Mark) -> None:
        """Mark the guest as ready and remove the seed, which holds its host key."""
        if mark.state != "ready":
            self.define(replace(mark, state="ready"))
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
            self.define(replace(mark, state="failed" if damaged else "stuck"))

    def _start_with(self, mark: Mark, seed: bytes) -> None:
        self.hypervisor.discard_suspended(self.guest.domain)  # on another disk it would harm that
        self._upload(seed)
        self.define(mark, seed=True)
        self.hypervisor.start(self.guest.domain)

    def _upload(self, seed: bytes) -> None:
        name = seed_volume(self.guest)
        owner = self.hypervisor.qemu_user()
        self.hypervisor.upload(self.pool, name, seed, len(seed), mode=0o600, owner=owner)

    def _mark(self, *, disk: int) -> Mark:
        return Mark(
            cluster=self.guest.settings.cluster,
            guest=self.guest.name,
            state="new",
            image=self.hardware.image.name,
            disk=disk,
        )
