"""A change of the firewall that shuts us out undoes itself: real rules, a real timer."""

from __future__ import annotations

import pytest

from connections.command import ConnectionLostError
from connections.local import LocalShell
from connections.wait import Deadline, wait_until
from tasks import deadman, revert, ruleset_read
from tasks.firewall_apply import undo_reset
from tasks.guard import converge as guard
from tasks.revert import UnconfirmedError, settle
from tests.netns.test_firewall import HOSTILE, cluster_of, run, sh, state

pytestmark = pytest.mark.root

NAME = deadman.name_of(revert.FIREWALL, cluster_of())
# Logins come in by a port that is only redirected to sshd's, as behind a jump rule or a balancer.
REDIRECT = """
iptables-nft -t nat -A OUTPUT -o lo -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222
iptables-legacy -A INPUT -s 10.0.0.0/8 -p tcp -j DROP
"""
_LISTEN = """
import socket
with socket.create_server(("127.0.0.1", 2222)) as door:
    print("ready", flush=True)
    while True:
        door.accept()[0].close()
"""
_DIAL = 'import socket; socket.create_connection(("127.0.0.1", 22), 2).close()'


class Login(LocalShell):
    """A shell whose new logins must get through the firewall; it itself goes on."""

    def again(self) -> LocalShell:
        dialled = self.run(["python3", "-IS", "-c", _DIAL], check=False)
        return LocalShell(self.host, self.prefix) if dialled.status == 0 else Refused(self.host)


class Refused(LocalShell):
    def run(self, *_args, **_options):
        raise ConnectionLostError(self.host, "Connection refused")


@pytest.fixture
def server(box, monkeypatch):
    monkeypatch.setattr(revert, "SECONDS", 6)
    monkeypatch.setattr(revert, "CONFIRM_SECONDS", 2.0)
    login = Login(box.host, box.prefix)
    sshd = login.start(["python3", "-IS", "-c", _LISTEN])
    assert sshd.read(100) == b"ready\n"
    yield login
    sshd.close()


@pytest.fixture
def hostile(box):
    sh(box, HOSTILE)
    return box


def told(box) -> tuple[str, ...]:
    """What the next run says of a change that was undone."""
    return wait_until(
        lambda: settle(box, cluster_of()) or None, Deadline(10), what="The undo's outcome"
    )


def left(box) -> str:
    return box.run(["sh", "-c", f"ls -A {deadman.FOLDER} 2>/dev/null || true"]).stdout


def test_a_reset_that_shuts_us_out_is_undone_and_the_run_fails(server):
    sh(server, REDIRECT)
    before = state(server)
    with pytest.raises(UnconfirmedError, match="Connection refused") as failed:
        run(server, cluster_of())
    assert "undoes it by itself" in str(failed.value)
    assert state(server) != before, "the rules are away until then"
    wait_until(lambda: state(server) == before, Deadline(30), what="The old rules")
    (told,) = wait_until(
        lambda: settle(server, cluster_of()) or None, Deadline(10), what="The outcome"
    )
    assert told == "An earlier change of the firewall was not confirmed and undone with status 0."
    assert left(server) == ""


def test_the_next_run_after_an_undone_reset_goes_on_as_from_the_beginning(server):
    sh(server, REDIRECT)
    before = state(server)
    with pytest.raises(UnconfirmedError):
        run(server, cluster_of())
    wait_until(lambda: state(server) == before, Deadline(30), what="The old rules")
    assert told(server)
    sh(server, "iptables-legacy -I INPUT -j ACCEPT")
    sh(server, "iptables-nft -t nat -F")
    server.again = lambda: LocalShell(server.host, server.prefix)  # now in by another way
    run(server, cluster_of())
    run(server, cluster_of(), present=False)
    now = state(server)
    assert now["iptables-legacy"].count("-A INPUT -s 10.0.0.0/8 -p tcp -j DROP") == 1
    assert left(server) == ""


def test_a_reset_that_leaves_the_way_in_open_is_confirmed_and_leaves_no_timer(box):
    sh(box, "iptables-legacy -P FORWARD DROP")
    assert run(box, cluster_of()).changes
    assert left(box) == ""


@pytest.mark.parametrize("done", ["not-begun", "done"])
def test_the_undo_of_a_reset_brings_back_exactly(hostile, done):
    """Also where the reset was cut off before it began: nothing comes twice."""
    cluster, before = cluster_of(), state(hostile)
    undo = undo_reset(ruleset_read.observe(hostile), cluster.name, cluster.mark)
    if done == "done":
        run(hostile, cluster)
        assert state(hostile) != before
    hostile.run(["sh", "-s"], stdin=undo)
    assert state(hostile) == before


def test_an_empty_plan_arms_nothing(hostile, monkeypatch):
    run(hostile, cluster_of())
    monkeypatch.setattr(deadman, "arm", None)
    assert run(hostile, cluster_of()).changes == ()
    assert undo_reset(ruleset_read.observe(hostile), "lab", cluster_of().mark) == ""


@pytest.mark.parametrize("mode", ["reset", "narrow"])
def test_a_change_is_armed_before_and_confirmed_after(hostile, monkeypatch, mode):
    seen = []
    monkeypatch.setattr(deadman, "arm", lambda *a, **k: seen.append(state(hostile)) or "armed")
    monkeypatch.setattr(deadman, "disarm", lambda *a, **k: seen.append(state(hostile)) or True)
    before = state(hostile)
    run(hostile, cluster_of(mode=mode))
    assert seen == [before, state(hostile)]
    assert before != state(hostile)


def test_narrow_rules_are_taken_back(hostile, monkeypatch):
    undo = []
    monkeypatch.setattr(
        deadman, "arm", lambda _login, _name, text, _s: undo.append(text) or "armed"
    )
    monkeypatch.setattr(deadman, "disarm", lambda *a, **k: True)
    before = state(hostile)
    run(hostile, cluster_of(mode="narrow"))
    assert state(hostile) != before
    hostile.run(["sh", "-s"], stdin=undo[0])
    assert state(hostile) == before


def test_the_guard_is_undone_to_what_it_was(box, monkeypatch):
    undo = []
    monkeypatch.setattr(
        deadman, "arm", lambda _login, _name, text, _s: undo.append(text) or "armed"
    )
    monkeypatch.setattr(deadman, "disarm", lambda *a, **k: True)
    small, empty = cluster_of(), state(box)
    guard(box, small, small.server("server1"), "u0")
    first = state(box)
    other = cluster_of(vni=51)
    guard(box, other, other.server("server1"), "u0")
    assert state(box) != first != empty
    box.run(["sh", "-s"], stdin=undo[1])
    assert state(box) == first
    box.run(["sh", "-s"], stdin=undo[0])
    assert state(box) == empty


def test_the_timer_of_a_run_that_was_killed_is_ended_by_the_next_login(box):
    deadman.arm(box, NAME, "echo undone >/run/mark", 300)
    deadman.arm(box, "control-lab", "true", 300)
    assert settle(box, cluster_of()) == ()
    assert "control-lab" in left(box)
    assert "firewall" not in left(box)
    assert settle(box, cluster_of(), last=True) == ()
    assert left(box) == ""
