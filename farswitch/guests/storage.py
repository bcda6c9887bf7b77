"""What stands against guests' disks on a hypervisor, before anything is touched.

`look` asks libvirt and the server; all judgements are pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from farswitch.connections.libvirt.domains import DomainState, LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.libvirt.pools import PoolState
from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.connections.shell.base import Shell
from farswitch.errors import Obstacle
from farswitch.guests.base_image import wanted_image
from farswitch.guests.domain import ARCH, MACHINE, Accelerator, seed_volume
from farswitch.guests.image_preflight import image_obstacles
from farswitch.guests.server_facts import emulator_obstacles
from farswitch.guests.storage_probe import StorageProbe, probe
from farswitch.links.clashes import domain_clashes
from farswitch.links.wanted_server import WantedServer

INODES_A_GUEST, INODES_OF_IMAGES = 4, 10
"""A guest has a disk and a seed, an image three files; each has a sidecar."""
START = (
    "On '{server}': systemctl start libvirtd (on RHEL 9 and Fedora: systemctl start "
    "virtqemud.socket virtstoraged.socket)."
)
INSTALL_STORAGE = (
    "On '{server}': apt install libvirt-daemon-system, then systemctl restart libvirtd (on RHEL 9 "
    "and Fedora: dnf install libvirt-daemon-driver-storage-core, then systemctl start "
    "virtstoraged.socket)."
)


def look(
    want: WantedServer, login: Shell, connect: Callable[[], Hypervisor], by: Accelerator
) -> list[Obstacle]:
    """Return what stands against guests and their disks on one hypervisor.

    They run `by` KVM or QEMU alone.
    """
    server, path = want.server.name, want.pool_path
    name = want.guests[0].settings.pool if want.guests else ""
    try:
        hypervisor = connect()
        domains = hypervisor.list_domains()
        pools = hypervisor.pools()
        volumes = hypervisor.volumes(name)
        found = list(emulator_obstacles(server, by, hypervisor.can_run(ARCH, MACHINE, by)))
        qemu = hypervisor.qemu_user()
    except LibvirtError as error:
        return [unusable(server, error)]
    seen = probe(login, path, qemu, [pool.path for pool in pools if pool.name != name])
    found += domain_clashes(want, domains)
    found += renamed(want, domains)
    if not want.guests:
        return found
    found += pool_clashes(server, name, path, pools, seen.same)
    found += folder(want, seen, qemu)
    found += volume_clashes(want, volumes, domains)
    found += image_obstacles(wanted_image(want.guests[0].settings), volumes)
    return found


def unusable(server: str, error: LibvirtError) -> Obstacle:
    """Return what it means that libvirt answers with an error to a first question."""
    text, remedy = str(error), error.hint
    if "not supported by the connection driver" in text or "virtstoraged" in text:
        text = f"libvirt on '{server}' has no storage driver: {error}"
        remedy = INSTALL_STORAGE
    elif "polkit" in text or ("libvirt-sock" in text and "Permission denied" in text):
        text = f"The login on '{server}' may not use libvirt: {error}"
        remedy = "On '{server}': usermod -aG libvirt USER, with the user of the login; or use root."
    elif "-sock" in text:
        remedy = START
    return Obstacle(text, remedy.replace("{server}", server))


def renamed(want: WantedServer, domains: Sequence[DomainState]) -> Iterator[Obstacle]:
    """Yield the domains of our guests that somebody gave another name."""
    names = {guest.name: guest.domain for guest in want.guests}
    there = {domain.name for domain in domains}
    for domain in domains:
        name = names.get(domain.guest or "") if domain.cluster == want.owner.cluster else None
        if name and name != domain.name and name not in there:
            yield Obstacle(
                f"Domain '{domain.name}' on '{want.server.name}' is guest '{domain.guest}' of "
                f"cluster '{domain.cluster}' under another name, wanted '{name}'.",
                f"On '{want.server.name}': virsh shutdown {domain.name}, and when it is off: "
                f"virsh domrename {domain.name} {name}",
            )


def pool_clashes(
    server: str, name: str, path: str, pools: Sequence[PoolState], same: Sequence[str]
) -> Iterator[Obstacle]:
    """Yield our pool where it lies elsewhere, and another one on the folder of ours."""
    for pool in pools:
        if pool.name == name and pool.path != path:
            yield Obstacle(
                f"Pool '{name}' on '{server}' has the folder {pool.path}, wanted {path}.",
                f"Write 'pool_path: {pool.path}' in the site's defaults.yaml, or choose another "
                f"'pool'.",
            )
        elif pool.name != name and pool.path in same:
            yield Obstacle(
                f"Pool '{pool.name}' on '{server}' has the folder of pool '{name}': {pool.path}.",
                f"Use that pool: write 'pool: {pool.name}' and 'pool_path: {pool.path}' in the "
                f"site's defaults.yaml; or choose another 'pool_path'.",
            )


def folder(
    want: WantedServer, seen: StorageProbe, qemu: tuple[int, int] | None
) -> Iterator[Obstacle]:
    """Yield what keeps libvirt or QEMU out of the folder."""
    server, path = want.server.name, want.pool_path
    other = "Choose another 'pool_path' in the site"
    for where in seen.unmounted:
        yield Obstacle(
            f"The pool's folder {path} on '{server}' belongs on {where}, which is in /etc/fstab "
            "and not mounted.",
            f"On '{server}': mount {where}",
        )
    for where in seen.files:
        yield Obstacle(
            f"{where} on '{server}' is no folder, so the pool's folder {path} cannot be made.",
            f"{other}; or on '{server}': mv {where} {where}.old",
        )
    if seen.readonly:
        yield Obstacle(
            f"The file system of the pool's folder {path} on '{server}' is mounted read-only.",
            f"{other}; or on '{server}': mount -o remount,rw "
            f"$(findmnt -no TARGET -T $(readlink -f {path}))",
        )
    for where in (*seen.blocked, *seen.acl):
        user, group = qemu or (0, 0)
        way = f"setfacl -m u:{user}:x" if where in seen.acl else "chmod a+x"
        yield Obstacle(
            f"QEMU on '{server}' runs as user {user} and group {group}, who may not enter {where}: "
            f"guests cannot open their disks in {path}.",
            f"{other}, one below /var/lib/libvirt/images; or on '{server}': {way} {where}",
        )
    needed = INODES_A_GUEST * len(want.guests) + INODES_OF_IMAGES
    if seen.inodes is not None and seen.inodes < needed:
        yield Obstacle(
            f"The file system of {path} on '{server}' has {seen.inodes} free inodes, wanted "
            f"{needed}.",
            f"{other}, or remove files there; df -i shows how many are free.",
        )


def volume_clashes(
    want: WantedServer, volumes: Sequence[VolumeState], domains: Sequence[DomainState]
) -> Iterator[Obstacle]:
    """Yield what lies in the pool under the names of new guests' disks and seeds, and is not ours.

    A disk that a guest of ours has now is its own, also without its sidecar.
    """
    cluster = want.owner.cluster
    used = "".join(domain.xml for domain in domains if domain.cluster == cluster)
    names = {f"{cluster}.{guest.name}.1.qcow2" for guest in want.guests}
    names |= {seed_volume(guest) for guest in want.guests}
    for volume in volumes:
        foreign = volume.replaced or not volume.ours
        if volume.name in names and foreign and f"{volume.path}'" not in used:
            yield Obstacle(
                f"{volume.path} on '{want.server.name}' has the name of one of our volumes, and is "
                "not ours.",
                f"On '{want.server.name}': mv {volume.path} {volume.path}.old",
                foreign=True,
            )
