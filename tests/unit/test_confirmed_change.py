"""A change whose confirming login fails in any way is tried again, and said to be unconfirmed."""

from __future__ import annotations

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import (
    CommandTimeoutError,
    ConnectionLostError,
    LoginShellError,
    PrivilegeError,
)
from farswitch.rollback import timer as rollback
from farswitch.rollback.confirmed_change import UnconfirmedError, confirm_earlier, confirmed_change
from farswitch.rollback.timer import RollbackTimer, Timers

FAILURES = {
    "lost": ConnectionLostError("server1", "it hung up"),
    "late": CommandTimeoutError("server1", ["true"], 30.0),
    "login-shell": LoginShellError("server1", "The login runs no commands.", hint="Look."),
    "sudo": PrivilegeError("server1", "me", "sudo: timed out"),
}
failures = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


@pytest.fixture
def answers(monkeypatch) -> list[Exception | bool]:
    """What each attempt to confirm ends with; the last stays."""
    answers: list[Exception | bool] = []

    def confirm(*_: object) -> bool:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(rollback, "start", lambda *_: RollbackTimer("firewall-lab.0", 60))
    monkeypatch.setattr(rollback, "confirm", confirm)
    monkeypatch.setattr("farswitch.rollback.confirmed_change.CONFIRM_SECONDS", 0.2)
    return answers


@failures
def test_a_confirming_login_that_fails_is_made_again(answers, failure, monkeypatch):
    monkeypatch.setattr("farswitch.rollback.confirmed_change.CONFIRM_SECONDS", 10.0)
    answers += [failure, True]
    with confirmed_change(LocalShell("server1"), "lab", "true"):
        pass
    assert answers == [True]


@failures
def test_a_change_that_no_login_confirms_is_said_to_be_unconfirmed(answers, failure):
    answers.append(failure)
    with (
        pytest.raises(UnconfirmedError, match="The server undoes it by itself") as caught,
        confirmed_change(LocalShell("server1"), "lab", "true"),
    ):
        pass
    assert caught.value.cause == f"{str(failure).rstrip('.')}."


@failures
def test_an_earlier_change_that_no_login_confirms_is_named_too(answers, failure, monkeypatch):
    answers.append(failure)
    pending = Timers({"firewall-lab.0": 60}, ())
    monkeypatch.setattr("farswitch.rollback.confirmed_change.list_timers", lambda *_: pending)
    monkeypatch.setattr("farswitch.rollback.confirmed_change.SECONDS", 0)
    with pytest.raises(UnconfirmedError):
        confirm_earlier(LocalShell("server1"), "lab")
