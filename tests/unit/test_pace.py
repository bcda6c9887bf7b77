"""How slow the machines are seen to be, and which deadlines follow it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farswitch import pace
from farswitch.connections.shell.local import LocalShell

ROOT = Path(__file__).parents[2]
SCALED = {"patient", "whole", "remaining"}
"""What makes a deadline follow the machines, or passes one on that does already."""
FIXED = {
    "farswitch/capture/frame_capture.py Deadline(self._limits.seconds)": "the user's: --seconds",
    "farswitch/connections/shell/ssh.py Deadline(timeout)": "the caller's: Shell made it patient",
    "farswitch/connections/shell/local.py Deadline(timeout)": "the caller's: Shell made it patient",
    "farswitch/guests/wait_ready.py Deadline(limit)": "the site's own: boot_timeout",
    "farswitch/guests/wait_ready.py Deadline(limit if answer is None else min(answer, limit))":
        "within boot_timeout; its caller made `answer` patient",
    "farswitch/lab/container.py Deadline(seconds)": "the machine's kernel: it notes an end, or not",
    "farswitch/lab/control.py Deadline(seconds)": "twenty times what a busy machine needs",
    "farswitch/lab/third_host.py Deadline(SECONDS)": "the machine's own bridge: milliseconds",
    "farswitch/remote_program.py Deadline(self._seconds)": "the caller's: programs are patient",
    "farswitch/remote_program.py Deadline(self._seconds if seconds is None else seconds)":
        "the caller's: a window to watch must not grow",
    "farswitch/rollback/confirmed_change.py Deadline(seconds)": "within the timer's promise",
    "farswitch/rollback/confirmed_change.py Deadline(2 * MOST_HOLD_SECONDS)":
        "a server's timers keep their length",
    "farswitch/rollback/confirmed_change.py Deadline(SECONDS + CONFIRM_SECONDS)":
        "a server's timers keep their length",
    "workflows/switch_bench_busy.py Deadline(first.at + BETWEEN - time.monotonic())":
        "no limit: between two looks at counters",
    "tasks/switch_exchange.py Deadline(drain)": "no limit: the old switch drains",
    "workflows/matrix.py Deadline(self._extent.until)": "the user's: --for",
}  # fmt: skip
"""Deadlines that do not follow how slow the machines are, and why."""


def deadlines() -> dict[str, bool]:
    """Return each deadline that the product makes, and whether it follows the machines."""
    found: dict[str, bool] = {}
    for room in ("farswitch", "tasks", "workflows"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.parent.name == "remote" or path.name == "deadline.py":
                continue  # the former get their seconds from us
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "Deadline":
                    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
                    names |= {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
                    found[f"{path.relative_to(ROOT)} {ast.unparse(node)}"] = bool(names & SCALED)
    return found


def test_each_deadline_follows_the_machines_or_says_why_not() -> None:
    found = deadlines()
    assert any(found.values())
    assert {name for name, follows in found.items() if not follows} == set(FIXED)


def test_deadlines_are_as_written_until_something_slow_was_seen() -> None:
    assert pace.patient(15) == 15
    pace.observe("server1", pace.USUAL)
    assert (pace.patient(15), pace.whole(15), pace.note()) == (15, 15, "")


def test_the_slowest_host_counts_for_all_and_nothing_becomes_shorter_again() -> None:
    pace.observe("node1", 4 * pace.USUAL)
    pace.observe("node2", pace.USUAL / 10)
    pace.observe("node1", pace.USUAL / 10)
    assert pace.factor() == pytest.approx(4)
    assert pace.whole(15) == 60


def test_what_is_gone_is_noticed_in_the_end_however_slow_the_rest() -> None:
    pace.observe("node1", 3600)
    assert pace.patient(15) == 15 * pace.MOST


def test_the_report_names_the_slow_hosts_alone_the_slowest_first() -> None:
    pace.observe("server1", pace.USUAL)
    for number in range(1, 7):
        pace.observe(f"node{number}", 0.3 + number / 10)
    assert pace.note() == (
        "Slow: a command took up to 0.9 s to begin on 'node6', 'node5', 'node4', 'node3' and 2 "
        "more (0.1 s is usual), so deadlines were up to 6 times as long."
    )


def test_a_run_begins_anew() -> None:
    pace.observe("node1", 5)
    pace.forget()
    assert (pace.factor(), pace.note()) == (1, "")


def test_a_command_shows_how_long_its_host_takes_to_begin_one() -> None:
    shell = LocalShell("here", prefix=())
    if os.geteuid() != 0:
        pytest.skip("runs as root what needs no sudo")
    shell.run(["true"])
    assert pace.note() == "" or "'here'" in pace.note()
    pace.observe("here", 1.0)
    assert shell.run(["sleep", "1"], timeout=0.5).status == 0  # 3 s by now


STOPPED = """
import os, signal, subprocess, sys
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, stood_still
subprocess.Popen(["sh", "-c", "sleep 0.7; kill -STOP $1; sleep 4; kill -CONT $1", "sh",
                  str(os.getpid())])
shell, deadline = LocalShell("here"), Deadline(3)
print(shell.run(["sh", "-c", sys.argv[1]], timeout=2.5).stdout.strip())
print(deadline.passed(), 2 < stood_still() < 4.5)
"""


def stopped(command: str) -> subprocess.CompletedProcess[str]:
    """Run a program that is stopped for four seconds while it waits for a command."""
    return subprocess.run(
        [sys.executable, "-c", STOPPED, command],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="runs as root what needs no sudo")
def test_a_program_that_was_stopped_takes_the_answer_that_came_meanwhile() -> None:
    ended = stopped("sleep 1.5; echo done")
    assert ended.stdout.splitlines() == ["done", "False True"], ended.stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="runs as root what needs no sudo")
def test_what_the_host_itself_ended_meanwhile_is_out_of_time() -> None:
    ended = stopped("sleep 50")
    assert "CommandTimeoutError" in ended.stderr
    assert "did not end within 2.5 s" in ended.stderr


def test_no_deadline_hangs_on_a_clock_that_somebody_can_set() -> None:
    wall = ("time.time(", "datetime.now", "utcnow", "date +%s")
    found = {
        str(path.relative_to(ROOT))
        for room in ("farswitch", "tasks", "workflows")
        for path in sorted((ROOT / room).rglob("*"))
        if path.suffix in {".py", ".sh"} and any(one in path.read_text() for one in wall)
    }
    assert found == {
        "farswitch/leftovers/observe.py",  # shows when files were written
        "farswitch/connections/shell/host_keys.py",  # knows whether a certificate is valid now
        "farswitch/remote/switch_program.py",  # says since when a program runs
        "farswitch/run/session.py",  # says when a run began
        "workflows/status.py",  # says when it looked
        "workflows/matrix.py",  # says when it looked
        "workflows/study_testbed.py",  # says when a run of a study began
    }
