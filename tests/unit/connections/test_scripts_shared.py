"""Scripts for other machines where another run is at work: each retry is forced, in each shell."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farswitch.connections.shell.base import REPLACE

ROOT = Path(__file__).parents[3]
SHELLS = [["dash"], ["bash", "--posix"]]
OWNER = f"{os.getuid()}:{os.getgid()}"
SPECIAL = (
    r"(?::|\.|break|continue|eval|exec|exit|export|readonly|return|set|shift|times|trap|unset)"
)
"""The special built-ins (POSIX, XCU 2.14)."""
REDIRECTED = re.compile(
    rf"(?:^|[;&|(){{}}]|\b(?:do|then|else|until|while|if)\b)\s*{SPECIAL}\s[^;&|]*?"
    r">>?\|?\s*(?!/dev/null|[&>])\S",
)
"""One that writes to a file: where that cannot be opened, a shell exits (POSIX, XCU 2.8.1)."""
SCRIPTS = sorted((ROOT / "farswitch/remote").glob("*.sh"))


def replace(shell: list[str], path: Path, text: bytes, tools: Path | None = None) -> str:
    """Write a file by the script, with programs of the test's own first; return what it printed."""
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"} if tools else None
    argv = [*shell, "-c", REPLACE, "sh", str(path), "0640", OWNER, str(len(text))]
    ended = subprocess.run(
        argv, input=text, env=environment, capture_output=True, timeout=60, check=False
    )
    return f"{ended.returncode} {ended.stderr.decode()}".strip()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_script_is_one_for_each_shell(script: Path, shell: list[str]):
    ended = subprocess.run([*shell, "-n", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_special_built_in_writes_to_a_file():
    assert REDIRECTED.search('until { mkdir x && : >"$folder/x"; }'), "it would be found"
    assert REDIRECTED.search("exec 3>lock")
    wrong = {
        f"{path.name}: {line.strip()}"
        for path in SCRIPTS
        for line in path.read_text().splitlines()
        if REDIRECTED.search(line.partition("#")[0])
    }
    assert wrong == set()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_folder_that_another_run_removes_meanwhile_is_made_again(
    tmp_path: Path, shell: list[str]
):
    folder, tools = tmp_path / "state/clusters", tmp_path / "tools"
    tools.mkdir()
    tried = tmp_path / "tried"
    (tools / "mkdir").write_text(
        f'#!/bin/sh\n/usr/bin/mkdir "$@" || exit\n[ ! -e {tried} ] || exit 0\n'
        f"echo >{tried}; /usr/bin/rmdir {folder} {folder.parent}\n"
    )
    (tools / "mkdir").chmod(0o755)
    assert replace(shell, folder / "lab", b"kept", tools) == "0"
    assert tried.exists(), "the folder was removed once"
    assert (folder / "lab").read_bytes() == b"kept"
    assert [one.name for one in folder.iterdir()] == ["lab"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_folder_that_cannot_be_is_no_endless_wait_and_named(tmp_path: Path, shell: list[str]):
    (tmp_path / "state").write_text("a file")
    said = replace(shell, tmp_path / "state/lab", b"kept")
    assert said.startswith("73 ")
    assert str(tmp_path / "state") in said


def test_files_that_come_and_go_side_by_side_do_not_miss_their_folder(tmp_path: Path):
    """As the records of clusters do that are built and torn down on one server."""
    folder = tmp_path / "state"

    def come_and_go(name: str) -> set[str]:
        found = set()
        for _ in range(20):
            found.add(replace(["dash"], folder / name, name.encode()))
            argv = ["dash", "-c", REPLACE, "sh", str(folder / name)]
            found.add(str(subprocess.run(argv, check=False).returncode))
            subprocess.run(["rmdir", "--ignore-fail-on-non-empty", folder], check=False,
                           stderr=subprocess.DEVNULL)  # fmt: skip
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come_and_go, "abcd")) == [{"0"}] * 4
