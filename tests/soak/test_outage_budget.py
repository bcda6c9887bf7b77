"""What guests send each other goes on, whatever becomes of the controller: `make soak`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from farswitch.deadline import Deadline, wait_until
from tests.lab.clusters import Run
from tests.soak import streams
from tests.soak.ground import Ground
from tests.soak.moments import Border, await_moment

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
AGENT = "python3 -"
LIBVIRTD = "/usr/sbin/libvirtd"
KILL = 'killed=1; for pid; do if kill -s KILL "$pid"; then killed=0; fi; done; exit $killed'
"""An agent that ends by itself meanwhile is no matter, as long as one was killed."""
LISTED = "virsh -q list --name || :"


@dataclass
class Traffic:
    """A ping at 100/s and an MPI ring between two guests that boot, and their cluster."""

    ground: Ground
    ping: streams.Stream
    ring: streams.Stream

    def goes_on(self) -> None:
        """Wait until a second's pings and some laps more came through."""
        self.ping.await_lines(streams.RATE)
        self.ring.await_lines(5)

    def unharmed(self) -> tuple[int, int]:
        """End both; return how many pings and laps came back when nothing was lost."""
        sent, missing = streams.lost(self.ping.end())
        laps = streams.laps(self.ring.end())
        assert missing == []
        assert laps == list(range(1, len(laps) + 1))
        return sent, len(laps)


@pytest.fixture
def traffic(guests: Ground) -> Iterator[Traffic]:
    guests.cluster.size = 2
    guests.cluster.write_site()
    built = guests.run("build")
    assert built.status == 0, built.said
    both, folder = guests.cluster.guests(2), guests.cluster.folder
    ping = streams.ping(both[0], both[1], folder / "ping.out")
    ring = streams.ring(both, folder / "ring.out")
    try:
        yield Traffic(guests, ping, ring)
    finally:
        for stream in (ping, ring):
            stream.process.kill()
            stream.process.wait()
    guests.goes()


def test_nothing_is_lost_when_controller_agents_or_libvirt_are_killed(traffic: Traffic, told: Told):
    ground = traffic.ground
    traffic.goes_on()
    for step in ("guard", "firewall_reset", "fdb", "vm_boot", "nfs"):
        assert ground.crash(Border(step), "build")
        traffic.goes_on()
        told(f"build without change killed at the start of {step}, no ping lost")
    for server, what, step in (("server1", AGENT, "bridge"), ("server2", AGENT, "fdb"),
                               ("server1", LIBVIRTD, "vm_boot")):  # fmt: skip
        ended = build_while_killed(ground, server, what, step)
        assert ended.status in {0, 1}, ended.said
        assert "Traceback" not in ended.said
        traffic.goes_on()
        told(f"'{what}' of {server} killed at the start of {step}, no ping lost")
    ground.converges()
    sent, laps = traffic.unharmed()
    told(f"build without change: of {sent} pings at {streams.RATE}/s and {laps} laps none lost")


def test_nothing_is_lost_when_a_guest_is_added(traffic: Traffic, told: Told):
    traffic.goes_on()
    began = time.monotonic()
    grown = traffic.ground.run("build", "--nodes", "3")
    assert grown.status == 0, grown.said
    seconds = time.monotonic() - began
    traffic.goes_on()
    sent, laps = traffic.unharmed()
    told(f"a third guest added in {seconds:.0f} s: of {sent} pings and {laps} laps none lost")


def build_while_killed(ground: Ground, server: str, program: str, step: str) -> Run:
    """Start a build, kill processes on a server when it comes to a step, and wait for its end."""
    running = ground.start("build")
    await_moment(running, Border(step))
    listed = ground.cluster.on(server, ["ps", "-e", "-o", "pid=,args="]).splitlines()
    lines = [line.split(None, 1) for line in listed]
    pids = [pid for pid, args in lines if args.startswith(program)]
    assert pids, listed
    ground.cluster.on(server, ["sh", "-c", KILL, "kill", *pids])
    run = ground.end(running)
    if program == LIBVIRTD:
        wait_until(
            lambda: bool(ground.cluster.on(server, ["sh", "-c", LISTED]).strip()),
            Deadline(60),
            what="The return of libvirt",
        )
    return run
