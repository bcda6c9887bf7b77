"""A controller that is told to end: it says so, and the next run goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.soak.ground import Ground
from tests.soak.moments import Border, When

Told = Callable[[str], None]
SENTENCE = "Interrupted. Run the same command again to go on."


@pytest.mark.root
@pytest.mark.soak
@pytest.mark.parametrize("step", ["preflight", "record", "guard", "fdb", "image", "vm_boot"])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_build_ends_with_a_sentence_and_the_next_one_goes_on(
    ground: Ground, told: Told, by: signal.Signals, step: str
):
    run = ground.interrupt(by, Border(step), "build")
    assert (run.status, run.said.splitlines()) == (130, [SENTENCE])
    ground.converges()
    ground.goes()
    told(f"build interrupted by {by.name} at the start of {step}, then built and torn down")


@pytest.mark.root
@pytest.mark.soak
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_build_that_waits_for_a_guest_ends_at_once(guests: Ground, told: Told, by: signal.Signals):
    def boots() -> bool:
        name = f"{guests.cluster.name}-node1-console.log"
        return (guests.root("server1") / "var/log/libvirt/qemu" / name).exists()

    run = guests.interrupt(by, When("the guest boots", boots), "build")
    assert (run.status, run.said.splitlines()) == (130, [SENTENCE])
    guests.goes()
    told(f"build interrupted by {by.name} while a real guest boots, then torn down")
