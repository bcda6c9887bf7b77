"""The timer that undoes a change: a real one, on a machine without systemd."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.rollback import timer as rollback

pytestmark = pytest.mark.root

FOLDER = rollback.FOLDER
SOON, LATE = 1, 300
_NONE_LEFT = """
ls -A "$1" 2>/dev/null
for process in /proc/[0-9]*; do
  tr '\\0' ' ' <"$process/cmdline" 2>/dev/null | grep "^sh $1/$2"
done
exit 0
"""
_START_AND_DIE = """
sh -c "$@" >/run/started
kill -KILL 0
"""


def left(box: LocalShell, timer: str) -> str:
    """What there is of a timer: files and processes."""
    return box.run(["sh", "-c", _NONE_LEFT, "left", FOLDER, f"{timer}.run"]).stdout


def marks(box: LocalShell) -> str:
    return (box.read("/run/mark") or b"").decode()


def fired(box: LocalShell, name: str = "test") -> rollback.Rollback:
    outcomes = wait_until(
        lambda: rollback.list_timers(box, name).fired or None, Deadline(20), what="The timer"
    )
    assert len(outcomes) == 1
    return outcomes[0]


def test_it_fires_once_when_it_is_not_confirmed(box):
    timer = rollback.start(box, "test", "echo undone >>/run/mark; echo said; exit 3", SOON)
    assert marks(box) == ""
    outcome = fired(box)
    assert outcome == rollback.Rollback(timer.id, 3, "said")
    assert marks(box) == "undone\n"
    assert left(box, timer.id) == ""
    assert rollback.list_timers(box, "test") == rollback.Timers({}, ())


def test_an_undo_may_be_a_command(box):
    rollback.start(box, "test", ["ip", "link", "set", "lo", "down"], SOON)
    assert fired(box).status == 0
    assert "DOWN" in box.run(["ip", "link", "show", "lo"]).stdout


def test_a_confirmed_timer_leaves_nothing_and_never_fires(box):
    timer = rollback.start(box, "test", "echo undone >>/run/mark", 2)
    other = rollback.start(box, "test", "echo other >>/run/mark", 3)
    assert list(rollback.list_timers(box, "test").pending) == sorted([timer.id, other.id])
    session = (box.read(f"{FOLDER}/{timer.id}.pid") or b"").decode().strip()
    assert "sleep" in box.run(["ps", "-s", session, "-o", "args="]).stdout
    assert rollback.confirm(box, timer)
    assert timer.id not in left(box, timer.id)
    states = box.run(["ps", "-s", session, "-o", "stat="], check=False).stdout.split()
    assert all(state.startswith("Z") for state in states), "dead, if not reaped by init yet"
    assert fired(box).id == other.id
    assert marks(box) == "other\n"
    assert left(box, other.id) == ""


def test_an_undo_that_begins_while_another_is_waited_for_is_waited_for_too(box):
    rollback.start(box, "test-a", "sleep 4; echo late >>/run/mark", 2)
    rollback.start(box, "test-b", "sleep 2; echo early >>/run/mark", SOON)
    pattern = f"{FOLDER}/test-b.*.fired"
    is_there = ["sh", "-c", f"[ -e {pattern} ] && ls {pattern} || :"]
    wait_until(lambda: box.run(is_there).stdout or None, Deadline(20), what="The first undo")
    outcomes = rollback.list_timers(box, "test-a", "test-b").fired
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert sorted(marks(box).split()) == ["early", "late"]


def test_words_with_backslashes_stay_on_one_line(box):
    rollback.start(box, "test", "printf '%s' 'a\\nb'", SOON)
    assert fired(box).output == "a\\nb"


def test_a_late_confirmation_says_so_and_waits_for_the_undo(box):
    timer = rollback.start(box, "test", "sleep 2; echo undone >>/run/mark", SOON)
    wait_until(lambda: f"{timer.id}.fired" in left(box, timer.id), Deadline(20), what="The timer")
    assert not rollback.confirm(box, timer)
    assert marks(box) == "undone\n"
    assert fired(box).status == 0


def test_a_timer_that_is_gone_is_an_error(box):
    timer = rollback.start(box, "test", "true", LATE)
    assert rollback.confirm(box, timer)
    with pytest.raises(rollback.FarswitchError, match="rebooted"):
        rollback.confirm(box, timer)


def test_it_outlives_the_login_that_started_it(box):
    """Everything in the login's process group is killed, and nothing of it is its parent."""
    program, undo = rollback._SCRIPT.encode(), b"echo undone >>/run/mark\n"
    sizes = [str(len(program)), str(len(program) + len(undo))]
    script = [rollback._SCRIPT, "rollback", "start", FOLDER, "test.1", "2", "60"]
    argv = ["sh", "-c", _START_AND_DIE, "login", *script]
    died = box.run([*argv, *sizes], stdin=program + undo, check=False)
    assert died.status in {-9, 137}
    assert "test.1" in rollback.list_timers(box, "test").pending
    assert fired(box).status == 0
    assert marks(box) == "undone\n"


def test_what_it_undoes_is_nobody_elses_to_read(box):
    timer = rollback.start(box, "test", "echo hush >/dev/null", LATE)
    modes = box.run(["sh", "-c", f"stat -c '%a %U %n' {FOLDER} {FOLDER}/*"]).stdout.splitlines()
    assert {line.split()[0] for line in modes} == {"700", "600"}
    seen = box.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; true"]).stdout
    assert timer.id in seen
    assert "hush" not in seen
    assert rollback.confirm(box, timer)


def test_an_input_that_was_cut_starts_nothing(box):
    argv = ("sh", "-c", rollback._SCRIPT, "rollback", "start", FOLDER, "test.1", "1", "60")
    assert box.run([*argv, "10", "20"], stdin=b"too short", check=False).status == 65
    assert left(box, "test.1") == ""


def test_firing_and_confirming_exclude_each_other(box):
    """Many timers are confirmed while they fire: each has one end, and it is the one told."""
    count = 40

    def one(number: int) -> tuple[str, bool]:
        undo = f"echo {number} >>/run/mark"
        timer = rollback.start(box, "race", undo, SOON)
        delay = 0.2 + 1.4 * number / count
        box.run(["sleep", f"{delay:.3f}"])
        return timer.id, rollback.confirm(box, timer)

    with ThreadPoolExecutor(8) as pool:
        ends = dict(pool.map(one, range(count)))
    fired_ids = [outcome.id for outcome in rollback.list_timers(box, "race").fired]
    assert sorted(fired_ids) == sorted(timer for timer, in_time in ends.items() if not in_time)
    numbers = marks(box).split()
    assert len(numbers) == len(set(numbers)) == len(fired_ids)
    assert 0 < len(fired_ids) < count, "the race was none"
    assert left(box, "race") == ""


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b", "-x"])
def test_a_name_that_is_no_file_name_is_refused(box, name):
    with pytest.raises(ValueError, match="name"):
        rollback.start(box, name, "true", 1)


def test_it_fires_where_there_is_no_room_for_what_it_says(box):
    timer = rollback.start(box, "test", "echo undone >/run/mark; echo said", SOON)
    box.run(["mkdir", f"{FOLDER}/{timer.id}.log"])
    assert fired(box).status == 0
    assert marks(box) == "undone\n"
    box.run(["rmdir", f"{FOLDER}/{timer.id}.log", FOLDER])


@pytest.mark.parametrize("program", ["dash", "bash"])
def test_a_folder_that_another_timer_removes_meanwhile_is_made_again(box, program: str):
    """A redirection that fails may not end the shell before its retry (POSIX 2.8.1)."""
    box.run(["mkdir", "-p", "/run/bin"])
    first_time = (
        '#!/bin/sh\n/usr/bin/mkdir "$@" && [ ! -e /run/tried ] || exit 0\n'
        f"echo >/run/tried; /usr/bin/rmdir {FOLDER}\n"
    )
    box.write("/run/bin/mkdir", first_time.encode(), mode=0o755)
    script, undo = rollback._SCRIPT.encode(), b"true\n"
    sizes = [str(len(script)), str(len(script) + len(undo))]
    shell = [program] if program == "dash" else [program, "--posix"]
    argv = ["env", "PATH=/run/bin:/usr/bin:/usr/sbin:/bin:/sbin", *shell, "-c", rollback._SCRIPT]
    started = box.run(
        [*argv, "rollback", "start", FOLDER, "test.1", "1", "60", *sizes],
        stdin=script + undo,
        check=False,
    )
    assert (started.status, started.stderr) == (0, "")
    assert box.read("/run/tried") is not None, "the folder was removed once"
    assert fired(box).status == 0


def start_slowly(box: LocalShell, seconds: int) -> tuple[int, str]:
    """Start a timer on a machine that stands still for three seconds before the undo is armed."""
    box.write("/run/slow/tail", b'#!/bin/sh\nsleep 3\nexec /usr/bin/tail "$@"\n', mode=0o755)
    script, undo = rollback._SCRIPT.encode(), b"echo undone >>/run/mark\n"
    sizes = [str(len(script)), str(len(script) + len(undo))]
    started = box.run(
        ["env", "PATH=/run/slow:/usr/bin:/usr/sbin:/bin:/sbin", "sh", "-c", rollback._SCRIPT,
         "rollback", "start", FOLDER, "test.1", str(seconds), "60", *sizes],
        stdin=script + undo, check=False,
    )  # fmt: skip
    return started.status, started.stderr


def test_a_timer_whose_time_is_up_before_it_is_armed_is_none(box):
    status, said = start_slowly(box, SOON)
    assert status != 0
    assert said
    assert left(box, "test.1") == ""
    assert marks(box) == ""


def test_a_slow_start_shortens_a_timer_and_nothing_else(box):
    assert start_slowly(box, 5) == (0, "")
    assert fired(box).status == 0
    assert marks(box) == "undone\n"


@pytest.mark.parametrize("jump", ["2 hours ago", "2 hours"])
def test_its_age_is_by_no_clock_that_somebody_sets(box, jump: str):
    timer = rollback.start(box, "test", "true", LATE)
    box.run(["touch", "-d", jump, f"{FOLDER}/{timer.id}.armed"])
    assert 0 <= rollback.list_timers(box, "test").pending[timer.id] < 60
    assert rollback.confirm(box, timer)


def test_timers_that_come_and_go_side_by_side_do_not_miss_their_folder(box):
    """Each end removes the folder when it is empty, and each start needs it."""

    def come_and_go(number: int) -> int:
        return sum(
            rollback.confirm(box, rollback.start(box, f"test{number}", "true", LATE))
            for _ in range(15)
        )

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come_and_go, range(4))) == [15] * 4
    assert left(box, "test") == ""


def test_what_others_have_left_can_be_undone_now(box):
    timer = rollback.start(box, "test", "echo undone >>/run/mark", LATE)
    other = rollback.start(box, "other", "echo other >>/run/mark", LATE)
    assert rollback.fire_all(box, "test")
    assert marks(box) == "undone\n"
    assert rollback.list_timers(box, "test") == rollback.Timers(
        {}, (rollback.Rollback(timer.id, 0, ""),)
    )
    assert left(box, timer.id) == f"{other.id}.armed\n{other.id}.pid\n{other.id}.run\n"
    assert not rollback.fire_all(box, "test")
    assert rollback.confirm(box, other)
    assert left(box, "test") == ""


def test_an_undo_is_ended_after_its_own_limit(box):
    rollback.start(box, "test", "sleep 300; echo undone >>/run/mark", SOON, limit=1)
    assert fired(box).status == 124
    assert marks(box) == ""
    assert left(box, "test") == ""


def test_one_of_an_older_script_may_take_as_long_as_one_that_says_nothing(box):
    assert f"${{limit:-{rollback.UNDO_SECONDS}}}" in rollback._SCRIPT
    box.write(f"{FOLDER}/test.1.armed", b"# since 1\n")
    assert list(rollback.list_timers(box, "test").pending) == ["test.1"]
