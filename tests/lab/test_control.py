"""The negative control: each port of the switch down in turn, on a real cluster."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container
from farswitch.rollback.timer import FOLDER, RollbackTimer, confirm, list_timers
from tasks.checks.control.judge import TIMER_SECONDS
from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]

JOBS = "ps -eo args | grep -E '^[^ ]*(mpiexec|hydra_pmi|python3 -c|ssh -x)' || true"


def down(built: ClusterUnderTest) -> list[str]:
    """Return the ports of the switch that are down."""
    links = json.loads(built.on("server2", ["ip", "-j", "link", "show", "type", "vxlan"]))
    return [link["ifname"] for link in links if "UP" not in link["flags"]]


@pytest.fixture
def switch(built: ClusterUnderTest) -> LocalShell:
    pid = container.find(built.lab)["server2"]
    return LocalShell("server2", prefix=("nsenter", f"--target={pid}", "--all", "--"))


@contextlib.contextmanager
def with_a_port_down(built: ClusterUnderTest) -> Iterator[subprocess.Popen[bytes]]:
    """Run a control, and yield it when it has taken a port down."""
    process = built.start("verify", "--only", "control")
    try:
        wait_until(
            lambda: down(built) or None, Deadline(90), what="A port to go down", interval=0.1
        )
        yield process
    finally:
        process.kill()
        process.wait()


def test_each_port_cuts_one_node_off_and_gives_it_back(
    built: ClusterUnderTest, switch: LocalShell
) -> None:
    found = built.good("verify", "--only", "control")
    checks = {(check["name"], check["host"]) for check in found.document["checks"]}
    names = ("cut", "job", "back", "timer", "left")
    assert checks == {(f"control.{name}", f"node{one}") for name in names for one in (1, 2, 3)}
    assert found.failed_checks() == []
    assert down(built) == []
    assert switch.run(["ls", FOLDER], check=False).stdout == ""
    wait_until(
        lambda: not any(guest.root(JOBS) for guest in built.guests()),
        Deadline(20),
        what="The end of the jobs' launchers",
    )


@pytest.mark.trial
def test_a_port_comes_back_by_itself_when_the_controller_hangs(
    built: ClusterUnderTest, switch: LocalShell
) -> None:
    """A controller that was stopped keeps its login: only the switch's timer is left."""
    with with_a_port_down(built) as control:
        control.send_signal(signal.SIGSTOP)
        wait_until(lambda: not down(built), Deadline(TIMER_SECONDS + 15), what="The switch's timer")
    name = f"control-{built.name}"
    (outcome,) = wait_until(
        lambda: list_timers(switch, name).fired or None, Deadline(20), what="The undo's outcome"
    )
    assert outcome.status == 0


def test_a_port_comes_back_at_once_when_verify_is_killed(
    built: ClusterUnderTest, switch: LocalShell
) -> None:
    with with_a_port_down(built) as control:
        control.kill()
        wait_until(lambda: not down(built), Deadline(20), what="The end of the login")
    (timer,) = list_timers(switch, f"control-{built.name}").pending
    try:
        refused = built.run("verify", "--only", "control")
        assert refused.status == 1
        assert f"the timer '{timer}'" in refused.failed_checks()[0]["measured"]
    finally:
        assert confirm(switch, RollbackTimer(timer, TIMER_SECONDS))
