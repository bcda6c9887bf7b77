"""Is each guest's management port isolated, so that guests do not meet on that bridge?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nornir.core.task import Task

from farswitch.connections.access import libvirt, netlink
from farswitch.connections.netlink.links import Link, dump
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each

NAME = "server.isolation"


def judge(
    cluster: Cluster,
    guests: Sequence[Guest],
    have: Sequence[Link],
    running: Mapping[str, str],
    rebuild: str,
) -> Iterator[Check]:
    """Yield one verdict a guest of a hypervisor.

    `running` names the running domains, each with the command that ends it.
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


def observe(task: Task, context: Context) -> tuple[tuple[Link, ...], frozenset[str]]:
    """Read a hypervisor's interfaces, and its running domains where a tap is missing."""
    with netlink(task).session() as ipr:
        have = dump(ipr)
    taps = {guest.management_tap for guest in context.cluster.guests_of(task.host.name)}
    return have, running(task) if taps - {link.name for link in have} else frozenset()


def running(task: Task) -> frozenset[str]:
    """Return the running domains of a hypervisor."""
    return frozenset(domain.name for domain in libvirt(task).list_domains() if domain.active)


def verdicts(
    context: Context, server: str, observed: tuple[Sequence[Link], frozenset[str]]
) -> Iterator[Check]:
    """Yield the verdicts on a hypervisor's management ports."""
    have, domains = observed
    guests = context.cluster.guests_of(server)
    if not guests:
        yield skipped(NAME, server, "no guest is on it")
    ends = {name: context.command(server, ["virsh", "destroy", name]) for name in domains}
    yield from judge(context.cluster, guests, have, ends, context.rebuild)


PROBE = Probe(
    "hypervisors",
    {NAME: "Each guest's management port is isolated from the others'."},
    of_each("hypervisors", observe, verdicts),
)
