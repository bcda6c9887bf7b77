"""Is each guest's management port isolated, so that guests do not meet on that bridge?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nornir.core.task import Task

from farswitch.connections.access import libvirt, netlink
from farswitch.connections.netlink.links import Link, dump
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.probe import Probe, Scene
from farswitch.site.nornir_data import server_of

NAME = "server.isolation"


def judge(
    cluster: Cluster,
    guests: Sequence[Guest],
    have: Sequence[Link],
    running: Mapping[str, str],
    rebuild: str,
) -> Iterator[Check]:
    """Yield one verdict a guest of a hypervisor.

    Args:
        cluster: For the bridge's name.
        guests: The hypervisor's.
        have: All its interfaces.
        running: The names of its running domains, each with the command that ends it.
        rebuild: The command of the build.
    """
    links = {link.name: link for link in have}
    for guest in guests:
        tap, bridge = guest.management_tap, cluster.management_bridge
        expected = f"{tap} of {guest.name}: isolated in {bridge}"
        link = links.get(tap)
        if link is None and guest.domain in running:
            yield Check(
                name=NAME,
                host=guest.hypervisor,
                ok=False,
                measured=f"{tap} of {guest.name} is not there, and its domain runs",
                expected=expected,
                cause="Somebody removed it: only a new start of the guest makes it again.",
                fix=f"{running[guest.domain]} && {rebuild}",
            )
            continue
        if link is None:
            why = f"{tap} of {guest.name} is not there: the guest is off"
            yield skipped(NAME, guest.hypervisor, why, expected)
            continue
        how = "isolated" if link.port and link.port.isolated else "not isolated"
        where = f"in {link.master}" if link.master else "in no bridge"
        good = (how, link.master) == ("isolated", bridge)
        yield Check(
            name=NAME,
            host=guest.hypervisor,
            ok=good,
            measured=f"{tap} of {guest.name}: {how if link.master else 'plugged'} {where}",
            expected=expected,
            cause="Somebody switched it off (bridge link set dev ... isolated off), or plugged the "
            "tap in anew: only libvirt sets it at a guest's start.",
            fix=rebuild,
        )


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Read a hypervisor's interfaces, and judge its management ports."""
    with netlink(task).session() as ipr:
        have = dump(ipr)
    guests = scene.cluster.guests_of(server_of(task.host).name)
    if not guests:
        yield skipped(NAME, task.host.name, "no guest is on it")
    missing = {guest.management_tap for guest in guests} - {link.name for link in have}
    end = _running(task, scene) if missing else {}
    yield from judge(scene.cluster, guests, have, end, scene.rebuild)


def _running(task: Task, scene: Scene) -> dict[str, str]:
    """Return the running domains of a hypervisor, each with the command that ends it."""
    return {
        one.name: scene.command(task.host.name, ["virsh", "destroy", one.name])
        for one in libvirt(task).list_domains()
        if one.active
    }


PROBE = Probe(
    "hypervisors", {NAME: "Each guest's management port is isolated from the others'."}, run
)
