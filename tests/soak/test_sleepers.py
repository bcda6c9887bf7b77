"""A run that was stopped, lost its lock and wakes up later: it does nothing more."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.lab.addresses import Lab
from farswitch.lock.lease import SILENCE
from farswitch.remote import lock_agent
from tests.lab.clusters import Run
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.lab.monitors import listening
from tests.soak.ground import Ground
from tests.soak.moments import Border, Moment, Running, When, await_moment

pytestmark = pytest.mark.root
Told = Callable[[str], None]
ENDING = ("processes ", "files /run/farswitch ", "files /run/farswitch/")
"""Of a snapshot: logins and locks."""
SHORT = 3.0
"""Seconds without a sign of life that the servers of a short test wait for."""
DOZING = str(Path(__file__).with_name("dozing.py"))
SENTENCE = re.compile(r"The lock on server 'server[12]' was lost: .*\. Nothing more was changed\.")
BUILD = ("record", "guard", "fdb", "image", "vm_boot")
TEARDOWN = ("vm_remove", "guard")
END_SECONDS = 60.0
"""For a run that woke up."""


def works(ground: Ground, server: str) -> bool:
    """Tell whether a run holds the cluster's lock on a server."""
    return bool(lock_agent.holders(ground.root(server) / "run/farswitch"))


def await_fall(ground: Ground, silence: float) -> None:
    """Wait until the servers have let go of the lock of a run that is stopped."""
    for server in ("server1", "server2"):
        wait_until(
            lambda server=server: not works(ground, server),
            Deadline(2 * silence + 10),
            what=f"The end of the lock on '{server}'",
        )


def lasting(lab: Lab) -> Snapshot:
    """Return what is on each server, but for the logins and locks of the stopped run: they end."""
    return {
        server: [line for line in lines if not line.startswith(ENDING)]
        for server, lines in observe(lab).items()
    }


def send(running: Running, by: signal.Signals, *, group: bool) -> None:
    """Send a run a signal, alone or with all that it started, as Ctrl-Z does."""
    (os.killpg if group else os.kill)(running.process.pid, by)


def stop(running: Running, moment: Moment, *, group: bool) -> None:
    """Stop a run at a moment."""
    await_moment(running, moment)
    assert not running.ended, f"ended before the moment {moment}"
    send(running, signal.SIGSTOP, group=group)


def end(ground: Ground, running: Running) -> Run:
    """Wait for the end of a run that woke up, which has to say why it ends."""
    run = ground.end(running, seconds=END_SECONDS)
    assert run.status == 1, run.said
    assert "Traceback" not in run.said
    assert SENTENCE.search(run.said), run.said
    ground.alone(running)
    return run


def sleeps(ground: Ground, running: Running, taker: str, *, group: bool, silence: float) -> Run:
    """Let another run take over from one that is stopped; wake that up, and hear nothing of it."""
    lab = ground.cluster.lab
    try:
        await_fall(ground, silence)
        taken = ground.run(taker)
        assert taken.status == 0, taken.said
        settle(lab)
        before = lasting(lab)
        with listening(lab) as heard:
            send(running, signal.SIGCONT, group=group)
            run = end(ground, running)
        assert heard == []
        assert compare(before, lasting(lab)) == []
    finally:
        if not running.ended:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()
    return run


def test_a_build_that_was_stopped_and_wakes_up_changes_nothing(ground: Ground, told: Told):
    running = ground.start("build", SOAK_SILENCE=f"{SHORT:g}")
    stop(running, Border("vxlan"), group=True)
    sleeps(ground, running, "teardown", group=True, silence=SHORT)
    ground.quiet()
    assert ground.leftovers() == []
    told("build stopped at the start of vxlan, a teardown took over, it woke up and did nothing")


@pytest.mark.soak
@pytest.mark.parametrize(("turn", "step"), list(enumerate(BUILD)))
def test_build_stopped_at_a_border(ground: Ground, told: Told, turn: int, step: str):
    taker, group = ("teardown", "build")[turn % 2], turn % 4 < 2
    running = ground.start("build")
    stop(running, Border(step), group=group)
    sleeps(ground, running, taker, group=group, silence=SILENCE)
    if taker == "build":
        ground.converges()
    ground.goes()
    told(f"build stopped at the start of {step}, a {taker} took over, it woke up and did nothing")


@pytest.mark.soak
@pytest.mark.parametrize(("turn", "step"), list(enumerate(TEARDOWN)))
def test_teardown_stopped_at_a_border(ground: Ground, told: Told, turn: int, step: str):
    assert ground.run("build").status == 0
    taker, group = ("build", "teardown")[turn % 2], turn % 4 < 2
    running = ground.start("teardown")
    stop(running, Border(step), group=group)
    sleeps(ground, running, taker, group=group, silence=SILENCE)
    if taker == "build":
        ground.converges()
    ground.goes()
    told(f"teardown stopped at the start of {step}, a {taker} took over, it did nothing more")


@pytest.mark.soak
def test_a_call_of_libvirt_does_not_arrive_once_the_lock_fell(ground: Ground, told: Told):
    """No fence stands between a look at the lock and the call: libvirt must have hung up."""
    running = ground.start("build", program=DOZING)
    stopped = When("it stopped itself", lambda: is_stopped(running.process.pid))
    await_moment(running, stopped)
    assert not running.ended
    try:
        before = lasting(ground.cluster.lab)
        await_fall(ground, SILENCE)
        send(running, signal.SIGCONT, group=False)
        run = ground.end(running, seconds=END_SECONDS)
        assert run.status == 1
    finally:
        running.process.kill()
    assert compare(before, lasting(ground.cluster.lab)) == []
    ground.goes()
    told("build stopped in a call of libvirt, woke up when its lock fell and defined nothing")


def is_stopped(pid: int) -> bool:
    """Tell whether a process stands still."""
    return lock_agent.stat(pid)[1][0] == "T"
