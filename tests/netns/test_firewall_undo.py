"""A change of the firewall that shuts us out undoes itself: real rules, a real timer."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.firewall import read
from farswitch.firewall.undo import undo_reset
from farswitch.model.machines import Guest
from farswitch.model.settings import Settings
from farswitch.rollback import confirmed_change as confirmed
from farswitch.rollback import timer
from farswitch.rollback.confirmed_change import UnconfirmedError, confirm_earlier
from tests.netns.converged import guard
from tests.netns.test_firewall import HOSTILE, cluster_of, run, sh, state
from tests.netns.way_in import listening

pytestmark = pytest.mark.root

START = timer.start
MAX_ARG_STRLEN = 1 << 17
"""Bytes of one argument that execve(2) takes."""
WIDE = (IPv4Network("10.12.0.0/16"), IPv4Network("10.13.0.0/16"))
NAME = timer.name_of(confirmed.FIREWALL, "lab")
# Logins come in by a port that is only redirected to sshd's, as behind a jump rule or a balancer.
REDIRECT = """
iptables-nft -t nat -A OUTPUT -o lo -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222
iptables-legacy -A INPUT -s 10.0.0.0/8 -p tcp -j DROP
"""


@pytest.fixture
def server(box, monkeypatch):
    monkeypatch.setattr(confirmed, "SECONDS", 6)
    monkeypatch.setattr(confirmed, "CONFIRM_SECONDS", 2.0)
    with listening(box, 2222) as login:
        yield login


@pytest.fixture
def hostile(box):
    sh(box, HOSTILE)
    return box


def told(box) -> tuple[str, ...]:
    """What the next run says of a change that was undone."""
    wait_until(lambda: ".said" in left(box), Deadline(20), what="The undo")
    return confirm_earlier(box, "lab")


def undo_of_timers(monkeypatch) -> list[str]:
    """Have all changes confirmed in time, and keep what their timers would have run."""
    undo = []
    monkeypatch.setattr(
        timer, "start", lambda _login, _name, text, _s: undo.append(text) or "timer"
    )
    monkeypatch.setattr(timer, "confirm", lambda *a, **k: True)
    return undo


def timer_run(box, undo: str) -> timer.Rollback:
    """Let a timer fire that runs an undo."""
    started = START(box, "big", undo, 1)
    (outcome,) = wait_until(
        lambda: timer.list_timers(box, "big").fired or None, Deadline(30), what="The timer"
    )
    assert outcome.id == started.id
    return outcome


def lines(found: dict[str, list[str]]) -> list[str]:
    """All that is there, in no order."""
    return sorted(line for part in found.values() for text in part for line in text.splitlines())


def left(box) -> str:
    return box.run(["sh", "-c", f"ls -A {timer.FOLDER} 2>/dev/null || true"]).stdout


def test_a_reset_that_shuts_us_out_is_undone_and_the_run_fails(server):
    sh(server, REDIRECT)
    before = state(server)
    with pytest.raises(UnconfirmedError, match="Connection refused") as failed:
        run(server, cluster_of())
    assert "undoes it by itself" in str(failed.value)
    assert state(server) != before, "the rules are away until then"
    wait_until(lambda: state(server) == before, Deadline(30), what="The old rules")
    (said,) = told(server)
    assert said == (
        f"An earlier change of the firewall of '{server.host}' was not confirmed by a new login, "
        "so the server has taken it back: undone with status 0."
    )
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
    undo = undo_reset(read.observe(hostile), cluster.name, cluster.owner.mark)
    if done == "done":
        run(hostile, cluster)
        assert state(hostile) != before
    hostile.run(["sh", "-s"], stdin=undo)
    assert state(hostile) == before


def test_an_empty_plan_arms_nothing(hostile, monkeypatch):
    run(hostile, cluster_of())
    monkeypatch.setattr(timer, "start", None)
    assert run(hostile, cluster_of()).changes == ()
    assert undo_reset(read.observe(hostile), "lab", cluster_of().owner.mark) == ""


@pytest.mark.parametrize("mode", ["reset", "narrow"])
def test_a_change_is_armed_before_and_confirmed_after(hostile, monkeypatch, mode):
    seen = []
    monkeypatch.setattr(timer, "start", lambda *a, **k: seen.append(state(hostile)) or "timer")
    monkeypatch.setattr(timer, "confirm", lambda *a, **k: seen.append(state(hostile)) or True)
    before = state(hostile)
    run(hostile, cluster_of(mode=mode))
    assert seen == [before, state(hostile)]
    assert before != state(hostile)


def test_narrow_rules_are_taken_back(hostile, monkeypatch):
    undo = undo_of_timers(monkeypatch)
    before = state(hostile)
    run(hostile, cluster_of(mode="narrow"))
    assert state(hostile) != before
    hostile.run(["sh", "-s"], stdin=undo[0])
    assert state(hostile) == before


IN_BETWEEN = """#!/bin/sh
document=$(cat)
case $document in *delete*) [ -e "$0.once" ] || { true >"$0.once"; nft {removal}; } ;; esac
printf %s "$document" | exec nft "$@"
"""


def test_narrow_rules_are_taken_back_where_another_program_takes_one_first(box, monkeypatch):
    undo = undo_of_timers(monkeypatch)
    sh(box, "nft add table inet mine; nft add chain inet mine in '{ type filter hook input "
            "priority 0; policy drop; }'")  # fmt: skip
    run(box, cluster_of(mode="narrow"))
    rules = box.run(["nft", "-a", "list", "chain", "inet", "mine", "in"]).stdout.splitlines()
    ours = [line for line in rules if "farswitch:" in line]
    assert len(ours) > 1
    removal = f"delete rule inet mine in handle {ours[0].split()[-1]}"
    nft = box.run(["sh", "-c", "command -v nft"]).stdout.strip()
    program = IN_BETWEEN.replace("{removal}", removal).replace("nft ", f"{nft} ")
    box.run(["sh", "-c", "mkdir /run/bin; cat >/run/bin/nft; chmod +x /run/bin/nft"], stdin=program)
    box.run(["sh", "-c", "PATH=/run/bin:$PATH sh -s"], stdin=undo[0])
    assert "farswitch:" not in box.run(["nft", "list", "ruleset"]).stdout


def test_an_undo_that_cannot_look_at_a_chain_says_so_and_undoes_the_others(box, monkeypatch):
    undo = undo_of_timers(monkeypatch)
    for name in ("mine", "other"):
        sh(box, f"nft add table inet {name}; nft add chain inet {name} in '{{ type filter hook "
                "input priority 0; policy drop; }'")  # fmt: skip
    run(box, cluster_of(mode="narrow"))
    sh(box, "nft delete table inet mine")
    done = box.run(["sh", "-s"], stdin=undo[0], check=False)
    assert done.status == 1
    assert "No such file or directory" in done.stderr
    assert "farswitch:" not in box.run(["nft", "list", "ruleset"]).stdout


@pytest.mark.parametrize("done", ["not-begun", "done"])
@pytest.mark.parametrize("change", ["moved", "removed"])
def test_narrow_rules_that_go_are_put_back(hostile, monkeypatch, change, done):
    undo = undo_of_timers(monkeypatch)
    sh(hostile, "iptables-legacy -A INPUT -p udp --dport 4789 -j REJECT")
    run(hostile, cluster_of(mode="narrow"))
    narrowed = state(hostile)
    if change == "moved":  # somebody's rule is in front of ours now
        sh(hostile, "iptables-legacy -I INPUT -j DROP; nft insert rule inet mine in drop")
        narrowed = state(hostile)
    run(hostile, cluster_of(mode="narrow"), present=change == "moved")
    after = state(hostile)
    assert after != narrowed
    if done == "not-begun":
        hostile.run(["sh", "-s"], stdin=undo[1])  # to what was before; then once more
    hostile.run(["sh", "-s"], stdin=undo[1])
    assert lines(state(hostile)) == lines(narrowed)
    if change == "removed":  # else ours are in front
        assert state(hostile) == narrowed


def test_the_guard_is_undone_to_what_it_was(box, monkeypatch):
    undo = undo_of_timers(monkeypatch)
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


def test_a_guard_that_goes_is_put_back(box, monkeypatch):
    undo = undo_of_timers(monkeypatch)
    cluster = cluster_of()
    guard(box, cluster, cluster.server("server1"), "u0")
    stood = state(box)
    guard(box, cluster, cluster.server("server1"), "", present=False)
    assert state(box) != stood
    box.run(["sh", "-s"], stdin=undo[1])
    assert state(box) == stood
    assert guard(box, cluster, cluster.server("server1"), "u0") == ()


def test_the_guard_of_500_guests_is_put_and_undone_whole(box, monkeypatch):
    """Its text passes through standard input and a file only, which have no limit here."""
    undo = undo_of_timers(monkeypatch)
    settings = Settings(
        cluster="big", data_network=WIDE[0], management_network=WIDE[1], anti_spoof=True
    )
    nodes = tuple(Guest(f"node{i}", i, "server1", settings) for i in range(1, 501))
    big = replace(cluster_of(), settings=settings, guests=nodes)
    one, two = big.server("server1"), big.server("server2")
    for server in (one, two):
        guard(box, big, server, "u0")
        stood = state(box)
        listed = box.run(["nft", "-j", "list", "table", "inet", big.owner.guard_table]).stdout
        assert {str(guest.vni) for guest in nodes} <= set(re.findall(r"\d+", listed))
        assert guard(box, big, server, "u0") == ()
        guard(box, big, server, "", present=False)
        assert server == two or len(undo[-1]) > MAX_ARG_STRLEN
        last = timer_run(box, undo[-1])
        assert last.status == 0, last
        assert state(box) == stood
        guard(box, big, server, "", present=False)


def test_the_timer_of_a_run_that_was_killed_is_ended_by_the_next_login(box):
    timer.start(box, NAME, "echo undone >/run/mark", 300)
    timer.start(box, "control-lab", "true", 300)
    assert confirm_earlier(box, "lab") == ()
    assert "control-lab" in left(box)
    assert "firewall" not in left(box)
    assert confirm_earlier(box, "lab", last=True) == ()
    assert left(box) == ""
