"""Connections that are opened before anybody needs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from nornir.core.inventory import Defaults, Host
from nornir.core.plugins.connections import ConnectionPluginRegister

from farswitch.connections.open_once import begun, forget, open_early, opened
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from tests.held import nothing_left

SECONDS = 20.0


class Slow:
    """A connection that is open when the test lets it be; the first `fails` attempts fail."""

    let = threading.Event()
    begun = threading.Semaphore(0)
    fails = 0
    tries = 0

    def open(self, *_: object, **__: object) -> None:
        type(self).tries += 1
        self.begun.release()
        assert self.let.wait(SECONDS)
        if self.tries <= self.fails:
            raise FarswitchError(f"attempt {self.tries}")
        self.connection = self
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Slow]]:
    """Have the kind of connection registered."""

    class Own(Slow):
        let = threading.Event()
        begun = threading.Semaphore(0)

    ConnectionPluginRegister.register("slow", Own)
    yield Own
    Own.let.set()
    ConnectionPluginRegister.deregister("slow")


def hosts(*names: str) -> list[Host]:
    return [Host(name, defaults=Defaults()) for name in names]


def test_who_needs_it_gets_the_one_that_is_being_opened(slow: type[Slow]) -> None:
    node1, node2, node3 = hosts("node1", "node2", "node3")
    open_early([node1, node2, node3], "slow", at_once=2)
    for _ in range(2):
        assert slow.begun.acquire(timeout=SECONDS)
    needed = begun(lambda: opened(node1, "slow"))
    slow.let.set()
    assert needed() is node1.connections["slow"]
    wait_until(lambda: "slow" in node3.connections, Deadline(SECONDS), what="The third")
    assert slow.tries == 3


def test_one_that_failed_is_tried_again_and_raises_where_it_is_needed(slow: type[Slow]) -> None:
    (node1,) = hosts("node1")
    slow.fails = 2
    slow.let.set()
    open_early([node1], "slow", at_once=4)
    assert slow.begun.acquire(timeout=SECONDS)
    with pytest.raises(FarswitchError, match="attempt 2"):
        opened(node1, "slow")
    assert opened(node1, "slow").tries == 3


def test_one_that_leads_nowhere_is_forgotten_when_it_is_open(slow: type[Slow]) -> None:
    (node1,) = hosts("node1")
    open_early([node1], "slow", at_once=1)
    assert slow.begun.acquire(timeout=SECONDS)
    forgotten = begun(lambda: forget(node1, "slow"))
    slow.let.set()
    forgotten()
    assert node1.connections == {}
    forget(node1, "slow")  # twice is fine


def test_none_is_opened_any_more_when_the_run_has_ended(slow: type[Slow]) -> None:
    node1, node2 = hosts("node1", "node2")
    with nothing_left():
        end = open_early([node1, node2], "slow", at_once=1)
        assert slow.begun.acquire(timeout=SECONDS)
        end()
        slow.let.set()
    assert node1.connections == node2.connections == {}
    assert slow.tries == 1
