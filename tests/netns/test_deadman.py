"""The timer that undoes a change: a real one, on a machine without systemd."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.rollback import timer as deadman

pytestmark = pytest.mark.root

FOLDER = deadman.FOLDER
SOON, LATE = 1, 300
_NONE_LEFT = """
ls -A "$1" 2>/dev/null
for process in /proc/[0-9]*; do
  tr '\\0' ' ' <"$process/cmdline" 2>/dev/null | grep "^sh $1/$2"
done
exit 0
"""
_ARM_AND_DIE = """
sh -c "$@" >/run/armed
kill -KILL 0
"""


def left(box: LocalShell, timer: str) -> str:
    """What there is of a timer: files and processes."""
    return box.run(["sh", "-c", _NONE_LEFT, "left", FOLDER, f"{timer}.run"]).stdout


def marks(box: LocalShell) -> str:
    return (box.read("/run/mark") or b"").decode()


def fired(box: LocalShell, name: str = "test") -> deadman.Outcome:
    outcomes = wait_until(
        lambda: deadman.look(box, name).fired or None, Deadline(20), what="The timer"
    )
    assert len(outcomes) == 1
    return outcomes[0]


def test_it_fires_once_when_it_is_not_disarmed(box):
    armed = deadman.arm(box, "test", "echo undone >>/run/mark; echo said; exit 3", SOON)
    assert marks(box) == ""
    outcome = fired(box)
    assert outcome == deadman.Outcome(armed.id, 3, "said")
    assert marks(box) == "undone\n"
    assert left(box, armed.id) == ""
    assert deadman.look(box, "test") == deadman.Found({}, ())


def test_an_undo_may_be_a_command(box):
    deadman.arm(box, "test", ["ip", "link", "set", "lo", "down"], SOON)
    assert fired(box).status == 0
    assert "DOWN" in box.run(["ip", "link", "show", "lo"]).stdout


def test_a_disarmed_timer_leaves_nothing_and_never_fires(box):
    armed = deadman.arm(box, "test", "echo undone >>/run/mark", 2)
    other = deadman.arm(box, "test", "echo other >>/run/mark", 3)
    assert list(deadman.look(box, "test").armed) == sorted([armed.id, other.id])
    session = (box.read(f"{FOLDER}/{armed.id}.pid") or b"").decode().strip()
    assert "sleep" in box.run(["ps", "-s", session, "-o", "args="]).stdout
    assert deadman.disarm(box, armed)
    assert armed.id not in left(box, armed.id)
    states = box.run(["ps", "-s", session, "-o", "stat="], check=False).stdout.split()
    assert all(state.startswith("Z") for state in states), "dead, if not reaped by init yet"
    assert fired(box).id == other.id
    assert marks(box) == "other\n"
    assert left(box, other.id) == ""


def test_disarming_too_late_says_so_and_waits_for_the_undo(box):
    armed = deadman.arm(box, "test", "sleep 2; echo undone >>/run/mark", SOON)
    wait_until(lambda: f"{armed.id}.fired" in left(box, armed.id), Deadline(20), what="The timer")
    assert not deadman.disarm(box, armed)
    assert marks(box) == "undone\n"
    assert fired(box).status == 0


def test_a_timer_that_is_gone_is_an_error(box):
    armed = deadman.arm(box, "test", "true", LATE)
    assert deadman.disarm(box, armed)
    with pytest.raises(deadman.FarswitchError, match="rebooted"):
        deadman.disarm(box, armed)


def test_it_outlives_the_login_that_armed_it(box):
    """Everything in the login's process group is killed, and nothing of it is its parent."""
    program, undo = deadman._RUN.encode(), b"echo undone >>/run/mark\n"
    sizes = [str(len(program)), str(len(program) + len(undo))]
    argv = ["sh", "-c", _ARM_AND_DIE, "login", deadman._ARM, "deadman", FOLDER, "test.1", "2"]
    died = box.run([*argv, *sizes], stdin=program + undo, check=False)
    assert died.status in {-9, 137}
    assert "test.1" in deadman.look(box, "test").armed
    assert fired(box).status == 0
    assert marks(box) == "undone\n"


def test_what_it_undoes_is_nobody_elses_to_read(box):
    armed = deadman.arm(box, "test", "echo hush >/dev/null", LATE)
    modes = box.run(["sh", "-c", f"stat -c '%a %U %n' {FOLDER} {FOLDER}/*"]).stdout.splitlines()
    assert {line.split()[0] for line in modes} == {"700", "600"}
    seen = box.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; true"]).stdout
    assert armed.id in seen
    assert "hush" not in seen
    assert deadman.disarm(box, armed)


def test_an_input_that_was_cut_arms_nothing(box):
    argv = ("sh", "-c", deadman._ARM, "deadman", FOLDER, "test.1", "1", "10", "20")
    assert box.run(argv, stdin=b"too short", check=False).status == 65
    assert left(box, "test.1") == ""


def test_firing_and_disarming_exclude_each_other(box):
    """Many timers are disarmed while they fire: each has one end, and it is the one told."""
    count = 40

    def one(number: int) -> tuple[str, bool]:
        undo = f"echo {number} >>/run/mark"
        armed = deadman.arm(box, "race", undo, SOON)
        delay = 0.2 + 1.4 * number / count
        box.run(["sleep", f"{delay:.3f}"])
        return armed.id, deadman.disarm(box, armed)

    with ThreadPoolExecutor(8) as pool:
        ends = dict(pool.map(one, range(count)))
    fired_ids = [outcome.id for outcome in deadman.look(box, "race").fired]
    assert sorted(fired_ids) == sorted(timer for timer, in_time in ends.items() if not in_time)
    numbers = marks(box).split()
    assert len(numbers) == len(set(numbers)) == len(fired_ids)
    assert 0 < len(fired_ids) < count, "the race was none"
    assert left(box, "race") == ""


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b", "-x"])
def test_a_name_that_is_no_file_name_is_refused(box, name):
    with pytest.raises(ValueError, match="name"):
        deadman.arm(box, name, "true", 1)


def test_it_fires_where_there_is_no_room_for_what_it_says(box):
    armed = deadman.arm(box, "test", "echo undone >/run/mark; echo said", SOON)
    box.run(["mkdir", f"{FOLDER}/{armed.id}.log"])
    assert fired(box).status == 0
    assert marks(box) == "undone\n"
    box.run(["rmdir", f"{FOLDER}/{armed.id}.log", FOLDER])
