"""What works on guests and is cut off ends there too: nothing of it is left on any host."""

from __future__ import annotations

import contextlib
import signal

import pytest

from farswitch.deadline import Deadline, wait_until
from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

COUNTER, SENDER = "Count the frames that pass", "Send numbered frames as they"
RUNNER, LINE = "Run a line of shell as a user", "sleep 4711"
"""What the command lines of our programs have, and a line of the test's own."""
HOSTS = ("server1", "server2", "node1", "node2", "node3")
ENDING = 30
"""Seconds that all of it may take to end."""


def at_work(cluster: ClusterUnderTest, name: str) -> list[str]:
    """Return what of ours is at work on a server or a guest."""
    line = ["ps", "-eo", "args"]
    if name.startswith("server"):
        text = cluster.on(name, line)
    else:
        text = cluster.guest(int(name.removeprefix("node"))).root(" ".join(line))
    return [word for word in (COUNTER, SENDER, RUNNER, LINE) if word in text]


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
@pytest.mark.parametrize(
    ("words", "begun"),
    [
        pytest.param(
            ("trace", "node1", "node3", "--count", "1000"), ("server2", COUNTER), id="trace"
        ),
        pytest.param(("exec", LINE), ("node3", LINE), id="exec"),
    ],
)
def test_nothing_goes_on_after_its_end(
    built: ClusterUnderTest, words: tuple[str, ...], begun: tuple[str, str], by: signal.Signals
) -> None:
    (workflow, *options), (host, word) = words, begun
    process = built.start(workflow, *options, "--json")
    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(process.wait)
        at_the_end.callback(process.kill)
        wait_until(
            lambda: word in at_work(built, host), Deadline(60), what=f"The start of {workflow}"
        )
        process.send_signal(by)
        assert process.wait(30) in {-by, 130}
    for name in HOSTS:
        wait_until(
            lambda name=name: at_work(built, name) == [],
            Deadline(ENDING),
            what=f"The end of what {workflow} began on '{name}'",
        )
