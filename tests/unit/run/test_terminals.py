"""What any terminal gets: its width, colours where it may have them, ASCII in the C locale."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.terminal import run_on_terminal

COLOURED = re.compile(r"\x1b\[[0-9;]*3[0-9]")


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"LC_ALL": "C"}, {"TERM": "dumb"}], ids=str)
def test_a_command_leaves_its_report_alone_on_any_terminal(
    silent_site: Path, env: dict[str, str], columns: int
):
    argv = [sys.executable, "-m", "workflows.preflight", "--site", str(silent_site)]
    env = {**env, "XDG_STATE_HOME": str(silent_site / "state")}
    code, terminal = run_on_terminal(argv, columns=columns, rows=40, env=env)
    screen = terminal.shown()
    assert code in {1, 2}, terminal.raw
    assert screen[0].split() == ["Stage", "Hosts", "Changed", "Failed", "Time"]
    assert sum("No connection to 'server" in line for line in screen) == 2
    assert not any(line.startswith(("now ", "ahead ")) for line in screen)
    assert all(line.startswith("Details: ") for line in terminal.wrapped), "the path of the log"
    assert bool(COLOURED.search(terminal.raw)) == (not {"NO_COLOR", "TERM"} & set(env))
    assert terminal.raw.isascii() == ("LC_ALL" in env)


RESULTS = """
from nornir.core.inventory import Host
from nornir.core.task import Result
from farswitch.run.print_results import print_results
print_results([("bridge", "server1", Result(Host("s"), changed=True, diff="+ x"))], on_stderr=False)
"""


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_what_each_task_returned_has_colours_where_the_report_has_them(
    env: dict[str, str], coloured: bool
):
    code, terminal = run_on_terminal([sys.executable, "-c", RESULTS], env=env)
    assert code == 0, terminal.raw
    assert "+ x" in terminal.raw
    assert bool(COLOURED.search(terminal.raw)) == coloured
    assert env.get("TERM") != "dumb" or "\x1b" not in terminal.raw


GREEK = """
import click
from farswitch.run.command import Command
from farswitch.run.echo import echo

@click.command(cls=Command)
def command():
    echo("12 µs… →")
command()
"""


@pytest.mark.parametrize(
    ("env", "shown", "piped"),
    [({}, "12 µs… →", "12 µs… →\n"), ({"LC_ALL": "C"}, "12 us... ?", "12 µs… →\n")],
)
def test_the_c_locale_gets_ascii_on_a_terminal_and_what_is_piped_stays(
    tmp_path: Path, env: dict[str, str], shown: str, piped: str
):
    argv = [sys.executable, "-c", GREEK]
    assert run_on_terminal(argv, env=env)[1].shown() == [shown]
    with (tmp_path / "out").open("w") as out:
        assert run_on_terminal(argv, env=env, stdout=out)[0] == 0
    assert (tmp_path / "out").read_text() == piped
