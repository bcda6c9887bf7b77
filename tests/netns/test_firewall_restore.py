"""What a teardown gives back may shut us out as well: undone, remembered, and given back later."""

from __future__ import annotations

from itertools import islice

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.firewall import modes, read
from farswitch.firewall.apply import apply_restore, restore_calls
from farswitch.firewall.restore import plan_restore
from farswitch.firewall.undo import undo_restore
from farswitch.rollback import confirmed_change as confirmed
from farswitch.rollback import timer
from farswitch.rollback.confirmed_change import (
    UnconfirmedError,
    confirm_earlier,
    confirm_earlier_shared,
)
from farswitch.state.journal import load
from farswitch.state.keys import FIREWALL_KEYS
from farswitch.state.saved_settings import Journal
from tests.netns.test_firewall import HOSTILE, cluster_of, run, sh, state
from tests.netns.way_in import Login, listening

pytestmark = pytest.mark.root

CONFIRM = timer.confirm
ONLY_ME = """
iptables-nft -A INPUT -p tcp -s 127.0.0.1 --dport 22 -j ACCEPT
iptables-nft -A INPUT -p tcp -s 127.0.0.0/8 --dport 22 -j DROP
iptables-nft -P FORWARD DROP
"""
# What an administrator did since the reset; no listing says all of the first rule.
SINCE = """
iptables-nft -A INPUT -m recent --name since --set -j ACCEPT
iptables-legacy -A INPUT -p tcp --dport 99 -j ACCEPT
ebtables-nft -A FORWARD -s 02:00:00:00:00:09 -j ACCEPT
nft add rule inet mine checks tcp dport 9 counter accept
nft insert rule inet mine in tcp dport 10 accept
"""
GONE = """
nft delete table ip6 alone
nft delete chain inet mine nat
iptables-nft -X DOCKER
ebtables-nft -X CLOSED
iptables-legacy -X OLD
"""


class DeadError(BaseException):
    """The controller is gone: nothing of it runs any more."""


@pytest.fixture
def server(box, monkeypatch):
    monkeypatch.setattr(confirmed, "SECONDS", 12)
    monkeypatch.setattr(confirmed, "CONFIRM_SECONDS", 2.0)
    with listening(box, 22) as login:
        yield login


@pytest.fixture
def hostile(box):
    sh(box, HOSTILE)
    return box


def left(box) -> str:
    return box.run(["sh", "-c", f"ls -A {timer.FOLDER} 2>/dev/null || true"]).stdout


def told(box) -> tuple[str, ...]:
    """What the next run says when the timers have fired."""
    wait_until(
        lambda: ".said" in left(box) and ".armed" not in left(box), Deadline(20), what="The undo"
    )
    return confirm_earlier(box, "lab")


def dies_after(monkeypatch, steps: int) -> None:
    """Have the controller die when it has given back so many of the parts."""

    def some(shell, plan) -> None:
        for step in islice(restore_calls(plan), steps):
            shell.run(step.argv, stdin=step.stdin)

    def dead(*_args, **_options) -> None:
        raise DeadError

    monkeypatch.setattr(modes, "apply_restore", some)
    monkeypatch.setattr(confirmed, "_confirm", dead)


def parts(box) -> int:
    plan = plan_restore(read.observe(box), load(box), "lab")
    return len(list(restore_calls(plan)))


def test_rules_that_shut_us_out_go_again_and_the_teardown_fails(server: Login):
    sh(server, ONLY_ME)
    before = state(server)
    run(server, cluster_of())
    server.source, open_ = "127.0.0.7", state(server)  # the controller's address has changed
    with pytest.raises(UnconfirmedError, match="Connection refused") as failed:
        run(server, cluster_of(), present=False)
    assert "run this from where it lets you in" in failed.value.hint
    assert state(server) == before, "until the timer"
    wait_until(lambda: state(server) == open_, Deadline(30), what="The way in")
    assert "lab" in load(server).owners(FIREWALL_KEYS), "it is still to be given back"
    (said,) = told(server)
    assert said.endswith("so the server has taken it back: undone with status 0.")
    assert run(server, cluster_of()).changes == (), "for a build all is as it has to be"
    server.source = "127.0.0.1"
    run(server, cluster_of(), present=False)
    assert state(server) == before
    assert load(server) == Journal()
    assert left(server) == ""


@pytest.mark.parametrize("undone", [True, False], ids=["undone", "in-time"])
def test_killed_in_the_middle_or_at_the_end_it_is_given_back_by_the_next(
    hostile, monkeypatch, undone
):
    before = state(hostile)
    run(hostile, cluster_of())
    open_ = state(hostile)
    for steps in (1, parts(hostile)):
        with monkeypatch.context() as patch:
            patch.setattr(confirmed, "SECONDS", 4 if undone else 300)
            dies_after(patch, steps)
            with pytest.raises(DeadError):
                run(hostile, cluster_of(), present=False)
        if undone:
            (said,) = told(hostile)
            assert said.endswith("undone with status 0."), steps
            assert state(hostile) == open_, steps
        else:
            assert confirm_earlier(hostile, "lab") == ()
        assert left(hostile) == ""
        if steps == 1:  # the next is a build, else a teardown
            run(hostile, cluster_of())
            assert state(hostile) == open_
            assert run(hostile, cluster_of()).changes == ()
    run(hostile, cluster_of(), present=False)
    assert state(hostile) == before
    assert load(hostile) == Journal()


@pytest.mark.parametrize("meanwhile", ["", SINCE, GONE], ids=["nothing", "added", "removed"])
def test_the_undo_leaves_what_was_there_before_at_whatever_step_it_was_cut(hostile, meanwhile):
    run(hostile, cluster_of())
    sh(hostile, meanwhile)
    open_, have = state(hostile), read.observe(hostile)
    plan = plan_restore(have, load(hostile), "lab")
    undo, steps = undo_restore(have, plan), list(restore_calls(plan))
    for given in (0, len(steps)) if meanwhile else range(len(steps) + 1):
        for step in steps[:given]:
            hostile.run(step.argv, stdin=step.stdin)
        assert (state(hostile) != open_) == bool(given)
        hostile.run(["sh", "-s"], stdin=undo)
        assert state(hostile) == open_, given


def test_what_an_administrator_adds_during_the_change_elsewhere_stays(hostile):
    run(hostile, cluster_of())
    have = read.observe(hostile)
    plan = plan_restore(have, load(hostile), "lab")
    apply_restore(hostile, plan)
    sh(hostile, "nft add table inet theirs; nft add chain inet theirs c; "
                "nft add rule inet theirs c tcp dport 7 accept")  # fmt: skip
    hostile.run(["sh", "-s"], stdin=undo_restore(have, plan))
    assert "tcp dport 7 accept" in "".join(state(hostile)["nft"])


def test_restoring_nothing_starts_no_timer(box, monkeypatch):
    monkeypatch.setattr(timer, "start", None)
    run(box, cluster_of())
    run(box, cluster_of("other", vni=141))
    run(box, cluster_of(), present=False)
    run(box, cluster_of("other", vni=141), present=False)
    assert load(box) == Journal()


def test_from_reset_to_narrow_the_way_in_is_tried_when_both_are_done(server: Login):
    """The old rules would drop us for a moment; what narrow opens does not concern ssh."""
    sh(server, ONLY_ME)
    before = state(server)
    run(server, cluster_of())
    server.source = "127.0.0.7"
    with pytest.raises(UnconfirmedError):
        run(server, cluster_of(mode="narrow"))
    assert all("undone with status 0" in said for said in told(server))
    assert left(server) == ""
    assert "lab" in load(server).owners(FIREWALL_KEYS)
    server.source = "127.0.0.1"
    run(server, cluster_of(mode="narrow"))
    run(server, cluster_of(mode="narrow"), present=False)
    assert state(server) == before


def test_where_no_new_login_works_the_undo_is_waited_for(server: Login):
    sh(server, ONLY_ME)
    server.source = "127.0.0.7"
    timer.start(server, "firewall-lab", "iptables-nft -F INPUT; echo way in", 3)
    (said,) = confirm_earlier(server, "lab")
    assert said.endswith("undone with status 0: way in.")
    assert left(server) == ""


def test_no_timer_is_ended_by_the_old_login(server: Login, monkeypatch):
    monkeypatch.setattr(confirmed, "SECONDS", 0)
    sh(server, ONLY_ME)
    server.source = "127.0.0.7"
    timer.start(server, "firewall-lab", "true", 300)
    with pytest.raises(UnconfirmedError):
        confirm_earlier(server, "lab")
    assert ".armed" in left(server)
    server.source = "127.0.0.1"
    assert confirm_earlier(server, "lab") == ()
    assert left(server) == ""


def test_another_clusters_cut_off_change_is_ended_but_not_its_guards(box: LocalShell):
    timer.start(box, "firewall-other", "echo undone >>/run/mark", 3)
    timer.start(box, "guard-other", "true", 300)
    assert run(box, cluster_of()).changes == ()
    confirm_earlier(box, "lab")
    assert left(box).count("other") == 6, "three files a timer; nothing was looked at"
    confirm_earlier_shared(box)
    assert box.read("/run/mark") == b"undone\n", "who was shut out is let in again"
    assert "firewall-other" in left(box), "how it ended is told to its own cluster"
    assert left(box).count("guard-other") == 3
    (said,) = confirm_earlier(box, "other")
    assert "undone with status 0" in said
    assert left(box) == ""


def test_an_undo_that_is_under_way_is_waited_for(box: LocalShell):
    timer.start(box, "guard-lab", "sleep 2; echo undone >>/run/mark", 1)
    wait_until(lambda: ".fired" in left(box), Deadline(20), what="The timer")
    (said,) = confirm_earlier(box, "lab")
    assert "undone with status 0" in said
    assert box.read("/run/mark") == b"undone\n"
    assert left(box) == ""


def test_an_undo_whose_process_was_killed_is_told_of(box: LocalShell):
    sh(box, f"mkdir -p {timer.FOLDER}; echo '# since 1 1' >{timer.FOLDER}/firewall-lab.1.fired")
    (said,) = confirm_earlier(box, "lab")
    assert "nobody saw its end" in said
    assert left(box) == ""


def test_a_confirmation_whose_answer_was_lost_counts(box: LocalShell, monkeypatch):
    lost = []

    def once(login, started):
        ended = CONFIRM(login, started)
        if not lost:
            lost.append(ended)
            raise confirmed.ConnectionLostError("box", "cut")
        return ended

    monkeypatch.setattr(timer, "confirm", once)
    with confirmed.confirmed_change(box, "lab", "echo undone >/run/mark"):
        pass
    assert lost == [True]
    assert box.read("/run/mark") is None
    assert left(box) == ""
