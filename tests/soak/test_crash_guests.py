"""A controller that is killed while real guests boot, are configured, and go: `make soak`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak import steps
from tests.soak.ground import Ground
from tests.soak.moments import END, Border, When

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
BORDERS = list(enumerate((*steps.GUESTS, END)))


def test_the_borders_are_all_there_are(guests: Ground):
    running = guests.start("build")
    run = guests.end(running)
    assert run.status == 0, run.said
    assert running.steps() == [*steps.BUILD, *steps.GUESTS, END]
    guests.goes()


@pytest.mark.parametrize(("turn", "step"), BORDERS)
def test_build_and_teardown_killed_at_borders(guests: Ground, told: Told, turn: int, step: str):
    assert guests.crash(Border(step), "build")
    if turn % 2:
        guests.another_controller()
    guests.converges()
    ending = steps.TEARDOWN[turn % len(steps.TEARDOWN)]
    assert guests.crash(Border(ending), "teardown")
    guests.goes(without_site=turn % 3 == 1)
    told(f"build with a real guest killed at the start of {step}, then built")
    told(f"teardown with a real guest killed at the start of {ending}, then torn down")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_build_killed_while_the_guest_boots(guests: Ground, told: Told, share: float):
    whole = guests.run("build")
    assert whole.status == 0, whole.said
    size = int(share * len(console(guests)))
    guests.goes()

    def boots() -> bool:
        return len(console(guests)) >= size

    assert guests.crash(When("the guest boots", boots), "build")
    guests.converges()
    guests.goes()
    told(f"build with a real guest killed when its console had {size} bytes")


def test_growth_killed_leaves_the_first_guest_alone(guests: Ground, told: Told):
    first = guests.run("build")
    assert first.status == 0, first.said
    boot = guests.cluster.boots(1)
    assert guests.crash(Border("mtu"), "build", "--nodes", "2")
    guests.converges("--nodes", "2")
    assert guests.cluster.boots(1) == boot
    assert guests.crash(Border("vm_remove"), "build", "--nodes", "1")
    guests.converges("--nodes", "1")
    assert guests.cluster.boots(1) == boot
    guests.goes()
    told("growth to a second real guest killed at the start of mtu, then built")
    told("removal of the second real guest killed at the start of domains, then built")


def console(guests: Ground) -> bytes:
    """Return what the first guest has written so far."""
    path = guests.root("server1") / f"var/log/libvirt/qemu/{guests.cluster.name}-node1-console.log"
    return path.read_bytes() if path.exists() else b""
