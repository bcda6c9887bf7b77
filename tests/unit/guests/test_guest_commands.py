"""A user's command on a guest: as in a session, bounded, and ended with all that it started.

The guest is this machine, and its user the one who runs the tests: root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import CommandError
from farswitch.deadline import Deadline, wait_until
from farswitch.guests import commands
from farswitch.guests.commands import copy_in, run_line
from farswitch.remote import command

pytestmark = pytest.mark.root
SECONDS = 60.0


@pytest.fixture
def guest() -> LocalShell:
    return LocalShell("node1")


def alive(process: int) -> bool:
    """Whether a process runs: one that ended may wait for its parent yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(process: int) -> None:
    wait_until(lambda: not alive(process), Deadline(SECONDS), what="The end of a process")


def test_outputs_and_status_are_apart(guest: LocalShell):
    report = run_line(guest, "echo out; echo err >&2; exit 3", "root", SECONDS)
    assert (report.stdout, report.stderr, report.status) == ("out\n", "err\n", 3)
    assert not report.late
    assert not report.cut


def test_it_is_a_session_of_the_user(guest: LocalShell):
    report = run_line(guest, 'pwd; echo "$HOME $USER"; test -t 0 || cat | wc -c', "root", SECONDS)
    home = str(Path("~root").expanduser())
    assert report.stdout.split() == [home, home, "root", "0"], "and it has no input"


def test_the_line_is_given_as_it_is(guest: LocalShell):
    line = """printf '%s|' "a b" '$HOME' 'ä"\\' "$(echo 1)" """
    assert run_line(guest, line, "root", SECONDS).stdout == 'a b|$HOME|ä"\\|1|'


def test_what_takes_too_long_is_ended_with_what_it_started(guest: LocalShell):
    line = "trap '' TERM; sleep 1000 & echo $$ $!; wait; sleep 1000"
    report = run_line(guest, line, "root", 1.0)
    assert (report.late, report.status) == (True, None)
    for process in report.stdout.split():
        ended(int(process))


def test_an_output_that_stays_open_counts_as_not_ended(guest: LocalShell):
    report = run_line(guest, "sleep 1000 & echo $!", "root", 1.0)
    assert report.late
    ended(int(report.stdout))


def test_a_process_that_leaves_the_output_alone_stays(guest: LocalShell):
    report = run_line(guest, "sleep 1000 >/dev/null 2>&1 & echo $!", "root", SECONDS)
    assert (report.late, report.status) == (False, 0)
    process = int(report.stdout)
    assert alive(process), "as after `ssh node1 'server >/dev/null 2>&1 &'`"
    os.kill(process, 9)
    ended(process)


@pytest.mark.parametrize("how", ["reader", "signal"])
def test_it_is_ended_when_whoever_asked_has_gone(tmp_path: Path, how: str):
    told = tmp_path / "told"
    line = f"sleep 1000 & echo $! > {told}.new; mv {told}.new {told}; wait"
    argv = command("guest_command", "root", "1000", "1000", line)
    with subprocess.Popen([sys.executable, *argv[1:]], stdout=subprocess.PIPE) as asked:
        wait_until(told.exists, Deadline(SECONDS), what="The start of the command")
        assert asked.stdout is not None
        if how == "reader":
            asked.stdout.close()
        else:
            asked.terminate()
        assert asked.wait(SECONDS) == 1
    ended(int(told.read_text()))


def test_more_output_than_is_kept_is_dropped(guest: LocalShell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commands, "KEPT", 1000)
    report = run_line(guest, "head -c 3000000 /dev/zero; echo end >&2", "root", SECONDS)
    assert (report.stdout, report.stderr, report.cut) == ("\0" * 1000, "end\n", True)
    assert report.status == 0


def test_what_is_no_text_is_shown_as_far_as_it_is(guest: LocalShell):
    report = run_line(guest, r"printf 'a\377b\033[31m'", "root", SECONDS)
    assert report.stdout == "a\ufffdb\x1b[31m"


def give(guest: LocalShell, path: str, content: tuple[str, bytes] | None, *, look: bool = False):
    return copy_in(guest, path, "a file", "root", content, seconds=SECONDS, look=look)


def test_a_copy_is_idempotent_and_a_look_does_nothing(guest: LocalShell, tmp_path: Path):
    place = tmp_path / "a file"
    wanted = ("750", b"\0first\n")
    assert give(guest, str(tmp_path), wanted, look=True) == (True, str(place))
    assert not place.exists()
    assert give(guest, str(tmp_path), wanted) == (True, str(place))
    assert place.read_bytes() == b"\0first\n"
    assert place.stat().st_mode & 0o777 == 0o750
    for look in (True, False):
        assert give(guest, str(tmp_path), wanted, look=look) == (False, str(place))
        assert give(guest, str(place), ("700", b"\0first\n"), look=True)[0]
    assert list(tmp_path.iterdir()) == [place]
    assert give(guest, str(place), None, look=True) == (True, str(place))
    assert give(guest, str(tmp_path), None) == (True, str(place))
    assert give(guest, str(tmp_path), None) == (False, str(place))
    assert list(tmp_path.iterdir()) == []


def test_a_copy_replaces_a_link_and_not_what_it_leads_to(guest: LocalShell, tmp_path: Path):
    (tmp_path / "theirs").write_text("kept")
    (tmp_path / "link").symlink_to("theirs")
    assert give(guest, f"{tmp_path}/link", ("644", b"new"))[0]
    assert (tmp_path / "theirs").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()


def test_a_copy_into_no_folder_fails_and_leaves_nothing(guest: LocalShell, tmp_path: Path):
    with pytest.raises(CommandError):
        give(guest, f"{tmp_path}/none/file", ("644", b"new"))
    assert list(tmp_path.iterdir()) == []
