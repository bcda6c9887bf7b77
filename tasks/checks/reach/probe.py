"""Every hop's MTU, and who reaches whom: servers and guests measure at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from nornir.core.task import Task

from farswitch.errors import FarswitchError
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Probe, Scene
from tasks.checks.mtu import hops as mtu_hops
from tasks.checks.mtu import table
from tasks.checks.mtu.between_servers import Survey, survey
from tasks.checks.mtu.hops import Hop
from tasks.checks.reach import judge, visit
from tasks.checks.reach.judge import View
from tasks.checks.reach.visit import Visit

Visits = dict[str, Visit | FarswitchError]


def run(_task: Task, scene: Scene) -> Iterator[Check]:
    """Measure between the servers and between the guests, then judge with all hops known."""
    with ThreadPoolExecutor(1) as pool:
        visiting = pool.submit(visit.visit, scene)
        surveyed = each(["servers"], lambda _: survey(scene))["servers"]
    visits = visiting.result()
    hops = guest_hops(scene, visits)
    if isinstance(surveyed, Survey):
        hops = mtu_hops.without_build([*hops, *surveyed.hops(scene)], scene.command)
    yield from unasked(scene, visits)
    if isinstance(surveyed, Survey):
        for line in table.table(hops):
            scene.findings.note(line)
        yield from mtu_hops.judge(hops)
        yield from surveyed.judge(scene, hops)
    yield from between_guests(scene, visits, hops)
    if isinstance(surveyed, FarswitchError):
        raise surveyed


def guest_hops(scene: Scene, visits: Visits) -> list[Hop]:
    """Return the hops that are the guests' own NICs."""
    return [
        mtu_hops.of_guest(guest, one.mtu, scene.mtu, scene.rebuild)
        for guest in scene.cluster.guests
        if isinstance(one := visits.get(guest.name), Visit)
    ]


def unasked(scene: Scene, visits: Visits) -> Iterator[Check]:
    """Yield a check for each guest whose NIC is not known."""
    for guest in scene.cluster.guests:
        one = visits.get(guest.name)
        if one is None:
            yield skipped("mtu.hops", guest.name, "it cannot be logged in to")
        elif isinstance(one, FarswitchError):
            yield Check("mtu.hops", guest.name, ok=False, measured=f"not probed: {one}",
                        expected=f"MTU {scene.mtu}", fix=one.hint)  # fmt: skip


def between_guests(scene: Scene, visits: Visits, hops: list[Hop]) -> Iterator[Check]:
    """Yield the verdicts on every ordered pair of guests, by kind of check."""
    guests = scene.cluster.guests
    found: list[Check] = []
    for guest in guests:
        others = [other for other in guests if other is not guest]
        view = View(scene.mtu, hops, scene.rebuild, _offload(scene, guest))
        found += judge.judge(guest, others, visits.get(guest.name), view)
    for name in judge.NAMES:
        yield from (check for check in found if check.name == name)


def _offload(scene: Scene, guest: Guest) -> str:
    """Return the line after which the kernel fills in the checksums of a guest's packets."""
    return scene.command(guest.hypervisor, ["ethtool", "-K", guest.tunnel, "tx", "off"])


PROBE = Probe(
    "switch",
    {
        "mtu.hops": "Every hop has the MTU of the build, the underlay what it needs.",
        "mtu.underlay": "A packet of the exact size passes between the servers with DF.",
        "mtu.tunnel": "A frame of exactly the tunnel's MTU comes out at its other end.",
        "mtu.exact": "The MTU passes with DF between each two guests, one byte more does not.",
        "reach.tunnel": "The tunnels' UDP port is open between the servers, both ways.",
        "reach.icmp": "Each guest pings each other one.",
        "reach.tcp": "TCP carries far more than a packet from each guest to each other one.",
        "reach.mpi_ports": "MPI's ports can be connected to from each guest to each other one.",
    },
    run,
    each=frozenset(judge.NAMES),
    guests=True,
)
