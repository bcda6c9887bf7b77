"""Is there another way than the switch? Each guest tries all of them, and a third host too."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

from nornir.core.task import Task

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import FarswitchError
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_one
from tasks.checks.attack.kinds import Kind, Outside
from tasks.checks.attack.run import THIRD, Third, attack, survey

CHECKS = {
    "attack.ping": "No guest's ICMP reaches another over management.",
    "attack.arp": "No guest's ARP reaches another over management, and none is answered.",
    "attack.route": "No guest reaches another by a route through its hypervisor.",
    "attack.ipv6": "No guest reaches another over management by IPv6.",
    "attack.spoof_mac": "A frame with another guest's MAC is taken by nobody on management.",
    "attack.spoof_address": "A frame with another's address is taken by nobody on management.",
    "attack.vni_direct": "No guest gets a frame into another's tunnel on its hypervisor.",
    "attack.vni_nat": "No guest gets a frame into another's port of the switch past its tunnel.",
    "attack.beyond": "No guest sends past its hypervisor over management.",
    "attack.third_host": "No third host gets a frame into a tunnel of either server.",
    "attack.legitimate": "What goes over the switch meanwhile loses nothing.",
}


def run(task: Task, context: Context) -> Iterable[Check]:
    """Attack with all guests that are there, from a third host as well where the site is a lab."""
    guests, cluster = context.there(), context.cluster
    host = task.host.name
    yield from context.left_out(CHECKS)
    if len(guests) <= 1:
        why = "a guest alone has nobody to attack"
        yield from (skipped(name, host, why, said) for name, said in CHECKS.items())
        return
    names = [*(one.name for one in cluster.servers), *(one.name for one in guests)]
    shells = {name: context.shell(name) for name in names}
    devices = {one.name: context.device(one.name) for one in cluster.servers}
    servers = survey(cluster, devices, shells)
    with ExitStack() as stack:
        name, third = Kind.THIRD_HOST.check, None
        if context.third_host is None:
            yield skipped(name, host, "no third host known", CHECKS[name])
        else:
            try:
                found = stack.enter_context(context.third_host())
                outside = Outside(found.nic, found.mac, found.address)
                third = Third(outside, LocalShell(THIRD, prefix=found.prefix))
            except FarswitchError as error:
                yield Check(name, host, ok=False, measured=f"not probed: {error}",
                            expected=CHECKS[name], fix=error.hint)  # fmt: skip
        if cluster.settings.management_forwarding:
            name, why = Kind.BEYOND.check, "management_forwarding: true in the site allows it"
            yield skipped(name, host, why, CHECKS[name])
        yield from attack(servers, guests, shells, third, context.rebuild)


PROBE = Probe(
    "head",
    CHECKS,
    of_one("head", run),
    each=frozenset({Kind.LEGITIMATE.check}),
    needs=("reach",),
    asked=True,
    writes=True,
)
