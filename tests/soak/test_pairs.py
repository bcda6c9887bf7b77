"""Two whole runs from two controllers, started at once: `make soak` has fifty pairs of builds."""

from __future__ import annotations

import getpass
import os
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab.clusters import Run
from tests.soak.ground import Ground

Told = Callable[[str], None]
pytestmark = pytest.mark.root
PAIRS = 50
MIXED = 6
"""Pairs of a build and a teardown."""
TRIES = 5
"""Pairs on an idle moment of the machine may miss each other."""
GONE_SECONDS = 5.0
"""For the loser, from the start of its process: Python, the site and the login are in it."""
SENTENCE = re.compile(
    r"Another run works on cluster '(?P<cluster>\S+)': (?P<workflow>\w+) of "
    r"(?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) since (?P<since>[-\d]+ [:\d]+) UTC, "
    r"on server 'server1'\. Nothing was touched\."
)


@dataclass(frozen=True, slots=True)
class Ended:
    """One run of a pair: what it was, how it ended and after how many seconds."""

    workflow: str
    pid: int
    run: Run
    seconds: float


def meet(ground: Ground, prepare: Callable[[], object], *workflows: str) -> tuple[Ended, Ended]:
    """Let two runs race until they meet: one may end before the other has begun."""
    for _ in range(TRIES):
        prepare()
        if (pair := race(ground, *workflows)) is not None:
            return pair
    raise AssertionError(f"{TRIES} pairs did not meet")


def race(ground: Ground, *workflows: str) -> tuple[Ended, Ended] | None:
    """Start two runs at once and return the winner and the loser, who must name it."""
    began, now, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    states = (ground.cluster.state, ground.cluster.folder / "rival")
    pair = [
        ground.start(workflow, XDG_STATE_HOME=str(state))
        for workflow, state in zip(workflows, states, strict=True)
    ]

    def ended(number: int) -> Ended:
        run = ground.end(pair[number])
        seconds = time.monotonic() - now
        return Ended(workflows[number], pair[number].process.pid, run, seconds)

    with ThreadPoolExecutor(2) as pool:
        both = sorted(pool.map(ended, range(2)), key=lambda one: one.run.status)
    winner, loser = both
    if loser.run.status == 0:
        return None
    assert (winner.run.status, loser.run.status) == (0, 1), [one.run.said for one in both]
    found = SENTENCE.fullmatch(loser.run.errors)
    assert found, loser.run.errors
    assert found["cluster"] == ground.cluster.name
    assert (found["workflow"], int(found["pid"])) == (winner.workflow, winner.pid)
    assert (found["user"], found["host"]) == (getpass.getuser(), socket.gethostname())
    since = datetime.strptime(found["since"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert began - timedelta(seconds=1) <= since <= datetime.now(UTC)
    assert loser.run.changed == 0
    busy = load / (os.cpu_count() or 1)  # before this pair
    assert loser.seconds <= GONE_SECONDS * max(1.0, busy)
    return winner, loser


def builds(ground: Ground, turn: int) -> str:
    """Let two builds from nothing race; find one cluster after it, and nothing after that."""
    winner, loser = meet(ground, ground.mend, "build", "build")
    assert winner.run.changed > 0
    again = ground.run("build")
    assert (again.status, again.changed) == (0, 0), again.said
    return f"pair {turn + 1} of builds: the loser named the winner, ended in {loser.seconds:.1f} s"


def stands(ground: Ground) -> None:
    run = ground.run("build")
    assert run.status == 0, run.said


def build_and_teardown(ground: Ground, turn: int) -> str:
    """Let a build and a teardown of a cluster that stands race; whoever wins has its way."""
    names = ("build", "teardown") if turn % 2 else ("teardown", "build")
    winner, loser = meet(ground, lambda: stands(ground), *names)
    if winner.workflow == "build":
        assert winner.run.changed == 0
        again = ground.run("build")
        assert (again.status, again.changed) == (0, 0), again.said
    else:
        assert ground.leftovers() == []
        ground.converges()
    ground.goes()
    return _mixed(winner, loser)


def _mixed(winner: Ended, loser: Ended) -> str:
    return (
        f"pair of a build and a teardown: the {winner.workflow} won, "
        f"the other named it and ended in {loser.seconds:.1f} s"
    )


def test_of_two_runs_at_once_one_wins_and_the_other_names_it(ground: Ground, told: Told):
    told(builds(ground, 0))
    winner, loser = race(ground, "teardown", "build")
    told(_mixed(winner, loser))
    ground.goes()


@pytest.mark.soak
@pytest.mark.parametrize("turn", range(PAIRS))
def test_of_fifty_pairs_of_builds_each_has_one_winner(ground: Ground, told: Told, turn: int):
    told(builds(ground, turn))
    ground.goes(without_site=turn % 5 == 4)


@pytest.mark.soak
@pytest.mark.parametrize("turn", range(MIXED))
def test_of_a_build_and_a_teardown_one_wins(ground: Ground, told: Told, turn: int):
    told(build_and_teardown(ground, turn))
