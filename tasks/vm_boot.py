"""A guest's virtual machine: its disk, seed and domain, and its boot, waited for in named steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nornir.core.task import Result, Task

from connections.access import libvirt, shell
from connections.command import Shell
from connections.libvirt import DomainState, Hypervisor, LibvirtError
from image.cloud import render as render_seed
from image.seed import Nic, Seed, User
from inventory.errors import ForeignObjectError
from inventory.hosts import guest_of, hypervisor_of
from inventory.model import Cluster, Guest
from tasks import hosts_file, mpi, nfs, ssh_keys
from tasks.console import tail
from tasks.domain import Hardware, Mark, definition, read_mark, render, seed_volume
from tasks.ready import BootError, wait_until_ready
from tasks.record import Record

GIB = 1 << 30
DOOMED = frozenset({"new", "failed"})
"""States of a guest that gets a new disk, of the image that the site names now."""

Action = Literal["create", "replace", "start", "restart", "redefine"]


@dataclass(frozen=True, slots=True)
class Have:
    """What libvirt knows of a guest: the domain's state and our mark in it."""

    state: DomainState
    mark: Mark


def observe(hypervisor: Hypervisor, guest: Guest) -> Have | None:
    """Read the guest's domain.

    Raises:
        ForeignObjectError: A domain has the guest's name and not our mark.
    """
    state = hypervisor.domain(guest.domain)
    if state is None:
        return None
    mark = read_mark(state.xml)
    if mark is None or (mark.cluster, mark.guest) != (guest.settings.cluster, guest.name):
        raise ForeignObjectError("Domain", guest.domain, guest.hypervisor)
    return Have(state, mark)


def plan(have: Have | None, definition: str) -> list[Action]:
    """Return what brings the guest to a running domain of the wanted definition.

    Args:
        have: The domain, or None.
        definition: The digest of the wanted definition.
    """
    if have is None:
        return ["create"]
    if have.mark.state in DOOMED:
        return ["replace"]
    actions: list[Action] = []
    if have.mark.definition != definition:
        actions.append("redefine")
    if have.state.state != "running":
        actions.append("start")
    elif have.mark.state == "stuck":
        actions.append("restart")
    return actions


def seed_of(cluster: Cluster, guest: Guest, record: Record, *, mtu: int, own_image: bool) -> Seed:
    """Return all that is known of the guest before its boot, but the users' private key."""
    settings = cluster.settings
    key = record.hosts[guest.name]
    files = (
        *hosts_file.wanted(cluster),
        *ssh_keys.public_files(cluster, record),
        *nfs.wanted(cluster, guest),
        *mpi.wanted(cluster, finalize=own_image),
    )
    root_keys, user_keys = ssh_keys.logins(record)
    return Seed(
        instance_id=f"{guest.domain}-{key.public.split()[1][-16:]}",
        hostname=guest.name,
        nics=(
            Nic("data0", guest.data_mac, guest.data_address, mtu),
            Nic("mgmt0", guest.management_mac, guest.management_address, None),
        ),
        host_key=key.private.encode(),
        host_key_public=key.public.strip(),
        root_keys=root_keys,
        user=User(settings.user, settings.uid, user_keys),
        files=files,
        units=nfs.units(cluster, guest),
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

    def seed(self, record: Record) -> bytes:
        """Return the guest's seed."""
        hardware = self.hardware
        return render_seed(
            seed_of(
                self.cluster,
                self.guest,
                record,
                mtu=hardware.mtu,
                own_image=hardware.image.own,
            )
        )

    def definition(self, have: Have | None) -> str:
        """Return the digest of what the guest's domain should be."""
        mark = have.mark if have else self._mark(disk=1)
        return definition(self.cluster, self.guest, mark, self.hardware)

    def apply(self, actions: Sequence[Action], have: Have | None, seed: bytes) -> Mark:
        """Do what the plan says and return the domain's mark afterwards."""
        mark = have.mark if have else self._mark(disk=0)
        for action in actions:
            if action in {"create", "replace"}:
                mark = self._create(have, seed)
            elif action == "redefine":
                self.define(mark)
            else:
                self.hypervisor.destroy(self.guest.domain)
                self.hypervisor.start(self.guest.domain)
        return mark

    def define(self, mark: Mark, *, seed: bool = False) -> None:
        """Write the domain's lasting definition; a running one is not disturbed."""
        self.hypervisor.define(render(self.cluster, self.guest, mark, self.hardware, seed=seed))

    def settle(self, mark: Mark) -> None:
        """Mark the guest as ready and remove the seed, which holds its host key."""
        if mark.state != "ready":
            self.define(dataclasses.replace(mark, state="ready"))
        self.hypervisor.delete_volume(self.pool, seed_volume(self.guest))

    def fail(self, mark: Mark, *, booted: bool) -> None:
        """Note what the next build has to do: restart the guest, or give it a new disk."""
        if mark.state != "new":
            self.define(dataclasses.replace(mark, state="failed" if booted else "stuck"))

    def _create(self, have: Have | None, seed: bytes) -> Mark:
        mark = self._mark(disk=have.mark.disk + 1 if have else 1)
        hypervisor, guest = self.hypervisor, self.guest
        if have is not None:
            hypervisor.destroy(guest.domain)
            if have.mark.state == "new":
                hypervisor.delete_volume(self.pool, have.mark.disk_volume)
        hypervisor.delete_volume(self.pool, mark.disk_volume)
        hypervisor.delete_volume(self.pool, seed_volume(guest))
        hypervisor.create_overlay(
            self.pool,
            mark.disk_volume,
            backing=self.hardware.image.disk,
            capacity=self.guest.settings.disk * GIB,
        )
        hypervisor.upload(self.pool, seed_volume(guest), seed, len(seed), mode=0o600)
        self.define(mark, seed=True)
        hypervisor.start(guest.domain)
        return mark

    def _mark(self, *, disk: int) -> Mark:
        return Mark(
            cluster=self.cluster.name,
            guest=self.guest.name,
            state="new",
            image=self.hardware.image.name,
            disk=disk,
        )


def is_damaged(login: Shell, disk: str) -> bool:
    """Return whether a guest's disk is none any more for QEMU; `-U` reads one in use too."""
    return login.run(["qemu-img", "info", "-U", "-f", "qcow2", disk], check=False).status == 1


def vm_boot(
    task: Task,
    cluster: Cluster,
    record: Record,
    hardware: Hardware,
    *,
    dry_run: bool | None = None,
) -> Result:
    """Converge one guest to a running virtual machine that answers.

    Args:
        task: Runs on a guest.
        cluster: Whose guest it is.
        record: The cluster's keys, for the seed.
        hardware: Accelerator, MTU and image of a new domain.
        dry_run: Only tell.

    Raises:
        BootError: A step did not come within its deadline; it has the console's last lines.
        ForeignObjectError: A domain has the guest's name and not our mark.
    """
    guest, server = guest_of(task.host), hypervisor_of(task.host)
    hypervisor = libvirt(server)
    have = observe(hypervisor, guest)
    if have is not None and have.mark.state not in DOOMED:  # its disk lies on that image
        hardware = dataclasses.replace(hardware, image=hardware.image.named(have.mark.image))
    boot = Boot(hypervisor, cluster, guest, hardware)
    actions = plan(have, boot.definition(have))
    count, diff = len(actions), "\n".join(f"+ {action} {guest.domain}" for action in actions)
    if task.is_dry_run(dry_run):
        return Result(host=task.host, changed=bool(actions), diff=diff, result=count)
    try:
        mark = boot.apply(actions, have, boot.seed(record))
    except LibvirtError as error:
        login = shell(server)
        if have and is_damaged(login, f"{hardware.pool_path}/{have.mark.disk_volume}"):
            boot.fail(have.mark, booted=True)
        raise BootError(guest, "start", str(error), tail(login, guest.domain)) from error
    try:
        wait_until_ready(task, hypervisor, cluster)
    except BootError:
        boot.fail(mark, booted=not {"start", "restart"}.isdisjoint(actions))
        raise
    boot.settle(mark)
    return Result(host=task.host, changed=bool(actions), diff=diff, result=count)
