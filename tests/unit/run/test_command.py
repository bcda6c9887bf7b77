"""The command `farswitch`: what it offers, what it completes, and that it is quick to answer."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from farswitch.__main__ import COMMANDS, main
from farswitch.run.completion import comma_list, sites
from farswitch.site.loader import ROOT

CONTEXT = click.Context(main)
OPTION = click.Option(["--any"])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_workflow_and_both_say_the_same(name: str):
    command = importlib.import_module(f"workflows.{name}").command
    assert main.get_command(CONTEXT, name) is command
    assert COMMANDS[name] == command.help.partition("\n")[0]


def test_every_workflow_with_a_command_is_offered():
    modules = {path.stem for path in (ROOT / "workflows").glob("[!_]*.py")}
    offering = {
        name for name in modules if hasattr(importlib.import_module(f"workflows.{name}"), "command")
    }
    assert set(COMMANDS) == offering


def test_what_is_no_command_ends_with_2_and_names_it():
    done = CliRunner().invoke(main, ["bulid"])
    assert (done.exit_code, "'bulid'" in done.stderr) == (2, True)


@pytest.mark.parametrize("words", ["farswitch --help", "farswitch "])
def test_help_and_completion_of_commands_import_no_workflow(words: str):
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*[name for name in sys.modules if 'workflows' in name],"
        " file=sys.stderr))\n"
        "from farswitch.__main__ import main\n"
        "main(prog_name='farswitch')\n"
    )
    asked = {"_FARSWITCH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "1"}
    completes = words.endswith(" ")
    done = subprocess.run(
        [sys.executable, "-c", program, *([] if completes else ["--help"])],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(asked if completes else {})},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == "\n"
    assert [name for name in COMMANDS if name not in done.stdout] == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["path", "path.counters", "mtu"]),
        ("pa", ["path", "path.counters"]),
        ("mtu,", ["mtu,path", "mtu,path.counters"]),
        ("mtu,path,", ["mtu,path,path.counters"]),
        ("x", []),
    ],
)
def test_the_last_word_of_a_list_is_completed(typed: str, offered: list[str]):
    complete = comma_list(lambda: ["path", "path.counters", "path", "mtu"])
    assert [item.value for item in complete(CONTEXT, OPTION, typed)] == offered


def test_sites_are_completed_by_name_and_folders_by_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "inventory/mine").mkdir(parents=True)
    (tmp_path / "inventory/mine/hosts.yaml").touch()
    (tmp_path / "inventory/no_site").mkdir()
    monkeypatch.chdir(tmp_path)
    items = [(item.type, item.value) for item in sites(CONTEXT, OPTION, "")]
    assert items == [("plain", "example"), ("plain", "lab"), ("plain", "mine"), ("dir", "")]
    assert [item.value for item in sites(CONTEXT, OPTION, "m")] == ["mine", "m"]
