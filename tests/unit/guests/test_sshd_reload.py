"""A guest's sshd closes its port while it reads its settings; the task waits until it is back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.guests import sshd


class Guest:
    """A guest whose sshd refuses some logins after it was told to read its settings."""

    def __init__(self, refuses: int) -> None:
        self.refuses = refuses
        self.logins: list[Fresh] = []
        self.told = False

    def run(self, argv: Sequence[str]) -> None:
        assert list(argv) == ["systemctl", "reload", "ssh"]
        self.told = True

    def again(self) -> Fresh:
        assert self.told
        self.logins.append(Fresh(refused=len(self.logins) < self.refuses))
        return self.logins[-1]


class Fresh:
    def __init__(self, *, refused: bool) -> None:
        self.refused = refused
        self.closed = False

    def run(self, argv: Sequence[str]) -> None:
        assert list(argv) == ["true"]
        if self.refused:
            raise ConnectionLostError("node1", "'server1' does not reach 10.99.0.11 port 22")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd, "RELOAD_SECONDS", 0.5)


@pytest.mark.parametrize("refuses", [0, 2])
def test_it_ends_with_the_first_login_that_works(refuses: int) -> None:
    guest = Guest(refuses)
    sshd.reload(cast("Any", guest))
    assert [login.refused for login in guest.logins] == [True] * refuses + [False]
    assert all(login.closed for login in guest.logins)


def test_one_that_stays_away_is_an_error_with_its_cause(hasty: None) -> None:
    guest = Guest(1000)
    with pytest.raises(ConnectionLostError, match="does not reach"):
        sshd.reload(cast("Shell", guest))
    assert len(guest.logins) > 1
    assert all(login.closed for login in guest.logins)
