"""Servers whose sshd forbids what guests are reached by: named before a build, with what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from farswitch.connections.shell.forwarding import (
    MOST,
    _is_forbidden,
    _spread,
    forwarding_obstacles,
)
from farswitch.connections.shell.ssh import SshShell
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
GUESTS = ("127.0.0.1", "127.0.0.5", "127.0.0.9")
FORBIDS = {
    "no": "AllowTcpForwarding no",
    "remote-only": "AllowTcpForwarding remote",
    "all": "DisableForwarding yes",
    "other-places": "PermitOpen 198.51.100.7:22",
    "the-first-guest-alone": "PermitOpen 127.0.0.1:22",
    "all-but-one": "PermitOpen 127.0.0.1:22 127.0.0.9:22",
    "none": "PermitOpen none",
}
KEYS = ("restrict", "no-port-forwarding", 'permitopen="198.51.100.7:22"')


@pytest.fixture
def login(make_sshd: Callable[..., Sshd]) -> Iterator[Callable[..., tuple[Sshd, SshShell]]]:
    shells: list[SshShell] = []

    def make(more: str = "") -> tuple[Sshd, SshShell]:
        sshd = make_sshd("far", more=more)
        shells.append(SshShell(sshd.target()))
        return sshd, shells[-1]

    yield make
    for shell in shells:
        shell.close()


def lines_of(remedy: str) -> str:
    """What the remedy says to append."""
    return remedy.partition("restart its sshd:\n")[2].partition("\nIf that")[0]


@pytest.mark.parametrize("more", FORBIDS.values(), ids=FORBIDS)
def test_an_sshd_that_forbids_forwarding_is_named_and_its_remedy_helps(login, more):
    sshd, shell = login(more)
    (obstacle,) = forwarding_obstacles(shell, GUESTS)
    assert "'root' on 'server1' may not lead on to guests" in obstacle.what
    shell.close()
    sshd.stop()
    (sshd.folder / "log").unlink()
    sshd.more += f"\n{lines_of(obstacle.remedy)}"
    sshd.start()
    again = SshShell(sshd.target())
    assert list(forwarding_obstacles(again, GUESTS)) == []
    again.close()


@pytest.mark.parametrize("option", KEYS)
def test_a_key_that_may_not_forward_is_named(login, option):
    sshd, shell = login()
    authorized = sshd.folder / "authorized"
    authorized.write_text(f"{option} {authorized.read_text()}")
    (obstacle,) = forwarding_obstacles(shell, GUESTS)
    assert "authorized_keys" in obstacle.remedy
    opened = ",".join(f'permitopen="{address}:22"' for address in GUESTS)
    allowed = f"restrict,port-forwarding,{opened}"
    authorized.write_text(f"{allowed} {sshd.user.public}\n")
    again = SshShell(sshd.target())
    assert list(forwarding_obstacles(again, GUESTS)) == []
    again.close()


def test_guests_that_are_not_there_yet_are_no_obstacle(login):
    _, shell = login()
    assert list(forwarding_obstacles(shell, GUESTS)) == []
    assert list(forwarding_obstacles(shell, [])) == []


def test_of_many_guests_the_first_the_last_and_some_between_are_asked_for():
    guests = [f"127.0.{number // 250}.{number % 250}" for number in range(900)]
    asked = _spread(guests)
    assert (len(asked), asked[0], asked[-1]) == (MOST, guests[0], guests[-1])
    assert asked == sorted(set(asked), key=guests.index)
    assert _spread(guests[:3]) == guests[:3]
    assert _spread([]) == []


def test_each_of_many_that_ask_at_once_hears_its_own_reason(login):
    _, shell = login("PermitOpen 127.0.0.1:22 127.0.0.9:22")
    places = [f"127.0.0.{number}" for number in (1, 5, 9, 6) * 4]
    forbidden = [place in {"127.0.0.5", "127.0.0.6"} for place in places]
    with ThreadPoolExecutor(len(places)) as threads:
        for _ in range(10):
            assert list(threads.map(lambda place: _is_forbidden(shell, place), places)) == forbidden
