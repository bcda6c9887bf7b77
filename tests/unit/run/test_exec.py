"""`exec`: whose command ran where, what is shown of it, and which exit code that is.

The guests answer from here: each is a function of what its shell would run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import ConfigError
from farswitch.guests.commands import CommandReport
from farswitch.model.node_names import expand, fold
from farswitch.run import session
from farswitch.run.local_files import LARGEST, read_local
from farswitch.run.print_commands import grouped, print_commands
from tasks import copy_file, run_command
from tests.schemas import assert_fits
from workflows import exec as workflow

GOOD = CommandReport(status=0, stdout="Linux\n", stderr="", late=False, cut=False)
GONE = ConnectionLostError("node3", "it does not reach 10.10.0.13 port 22")


class Guests:
    """What each guest reports of a command, and what they were asked."""

    def __init__(self) -> None:
        self.reports: dict[str, CommandReport | Exception] = {}
        self.asked: list[tuple[str, str, str, float]] = []
        self.copied: list[tuple[str, str, str, str, tuple[str, bytes] | None]] = []

    def run_line(self, login: SimpleNamespace, line: str, user: str, seconds: float):
        self.asked.append((login.host, line, user, seconds))
        report = self.reports.get(login.host, GOOD)
        if isinstance(report, Exception):
            raise report
        return report

    def copy_in(self, login, path, name, user, content, *, seconds, look):
        assert not look
        self.copied.append((login.host, path, name, user, content))
        return True, f"/home/{user}/{name}"


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> Guests:
    made = Guests()
    for task in (run_command, copy_file):
        monkeypatch.setattr(task, "shell", lambda task: SimpleNamespace(host=task.host.name))
    monkeypatch.setattr(run_command, "run_line", made.run_line)
    monkeypatch.setattr(copy_file, "copy_in", made.copy_in)
    return made


@pytest.fixture
def typed(built_site: Path, guests: Guests) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        argv = ["--site", str(built_site), *words]
        return CliRunner().invoke(workflow.command, argv, catch_exceptions=False)

    return run


def test_equal_outputs_are_one_group_in_the_order_of_the_guests(typed, guests):
    guests.reports["node2"] = GOOD.model_copy(update={"stdout": "Other\n"})
    ended = typed("uname")
    assert ended.exit_code == 0
    assert ended.stdout.splitlines() == [
        "---------------", "node[1,3-4] (3)", "---------------", "Linux",
        "---------------", "node2 (1)", "---------------", "Other",
    ]  # fmt: skip
    assert sorted(guests.asked) == [(f"node{n}", "uname", "mpi", 60.0) for n in range(1, 5)]


def test_one_command_of_many_words_on_some_guests_as_root(typed, guests):
    ended = typed("--on", "node3,node[1,3]", "--as", "root", "--timeout", "5", "--", "ls", "-l")
    assert ended.exit_code == 0
    assert sorted(guests.asked) == [(f"node{n}", "ls -l", "root", 5.0) for n in (1, 3)]


def test_another_status_is_named_and_ends_with_1(typed, guests):
    guests.reports["node2"] = GOOD.model_copy(update={"status": 3, "stdout": "", "stderr": "no\n"})
    ended = typed("false")
    assert ended.exit_code == 1
    assert "node2 (1): status 3\n---------------\nno\n" in ended.stdout
    assert "node[1,3-4] (3)\n" in ended.stdout


def test_a_guest_that_cannot_be_reached_is_named_and_the_others_are_shown(typed, guests):
    guests.reports["node3"] = GONE
    ended = typed("uname")
    assert ended.exit_code == 1
    assert "node[1-2,4] (3)" in ended.stdout
    assert "No connection to 'node3'" in ended.stdout


def test_a_deadline_that_passed_is_a_sentence(typed, guests):
    late = GOOD.model_copy(update={"status": None, "late": True, "stdout": "begun\n"})
    guests.reports["node1"] = late
    ended = typed("--timeout", "5", "sleep 9")
    assert ended.exit_code == 1
    assert "node1 (1): did not end within 5 s, and was ended" in ended.stdout
    assert "begun\n" in ended.stdout, "with what it printed until then"


def test_json_has_each_guest_and_each_failure(typed, guests):
    guests.reports |= {"node2": GOOD.model_copy(update={"status": 3}), "node3": GONE}
    ended = typed("--json", "uname")
    assert ended.exit_code == 1
    told = json.loads(ended.stdout)
    assert_fits("exec", told)
    assert (told["ok"], told["failed"], told["command"]) == (False, 2, "uname")
    assert [(node["name"], node["status"]) for node in told["nodes"]] == [
        ("node1", 0), ("node2", 3), ("node4", 0),
    ]  # fmt: skip
    assert told["nodes"][0]["stdout"] == "Linux\n"
    assert [failure["host"] for failure in told["failures"]] == ["node3"]


def test_files_are_copied_before_the_command_or_without_one(typed, guests, tmp_path):
    script = tmp_path / "job.sh"
    script.write_text("echo\n")
    script.chmod(0o750)
    ended = typed("--copy", str(script), "--copy", f"{script}:/tmp/x", "--on", "node1")
    assert ended.exit_code == 0
    content = ("750", b"echo\n")
    assert guests.copied == [
        ("node1", ".", "job.sh", "mpi", content), ("node1", "/tmp/x", "job.sh", "mpi", content),
    ]  # fmt: skip
    assert guests.asked == []
    assert ended.stdout.count("job.sh: copied to node1 (1)") == 2
    told = json.loads(typed("--json", "--copy", str(script), "sh job.sh").stdout)
    assert_fits("exec", told)
    assert told["copied"] == [{"file": "job.sh", "nodes": [f"node{n}" for n in range(1, 5)]}]
    assert len(told["nodes"]) == 4


MISTAKES = [
    ([], "no command"),
    (["--on", "node[1-", "true"], "no node set"),
    (["--on", "node[3-9]", "true"], "has no guest 'node5'; it has node[1-4]"),
    (["--on", "server1", "true"], "has no guest 'server1'"),
    (["--copy", "/none/file", "true"], "is no file"),
    (["--copy", "/", "true"], "is a folder"),
    (["--copy", "/etc/passwd:", "true"], "no place behind"),
    (["x" * 20_000], "20000 bytes, wanted 16384 at most"),
    (["\udc80"], "no text"),
]
UNKNOWN = [(["--timeout", "0", "true"], "--timeout"), (["--as", "me", "true"], "--as"),
           ([""], "is empty"), (["--on", "", "true"], "is empty")]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [pytest.param(*one, marks=pytest.mark.log_tells(re.escape(one[1]))) for one in MISTAKES]
    + UNKNOWN,
)
def test_bad_input_ends_with_2_before_any_guest_is_asked(typed, guests, words, sentence):
    ended = typed(*words)
    assert ended.exit_code == 2
    assert sentence in click.unstyle(ended.stderr)
    assert guests.asked == guests.copied == []


@pytest.mark.log_tells("There is no cluster 'test' on its servers.")
def test_a_cluster_that_is_not_built_is_named(typed, guests, monkeypatch):
    monkeypatch.setattr(session, "read", lambda _login, _name: None)
    ended = typed("true")
    assert ended.exit_code == 1
    assert "There is no cluster 'test' on its servers." in ended.stderr


def test_output_gives_a_terminal_no_orders(capsys):
    evil = GOOD.model_copy(update={"stdout": "\x1b]0;title\x07a\x1b[2Jb\u202ec\r\n[red]d\n"})
    print_commands(Console(force_terminal=False), {"node1": evil}, 60)
    assert capsys.readouterr().out.splitlines()[3:] == ["abc", "[red]d"]


def test_long_output_is_shown_whole(capsys):
    long = GOOD.model_copy(update={"stdout": "x" * 50_000})
    print_commands(Console(width=80, soft_wrap=True), {"node1": long}, 60)
    assert "x" * 50_000 in capsys.readouterr().out


def test_groups_differ_by_status_and_errors_too():
    reports = {
        "a": GOOD, "b": GOOD.model_copy(update={"status": 1}),
        "c": GOOD.model_copy(update={"stderr": "e"}), "d": GOOD.model_copy(),
    }  # fmt: skip
    assert list(grouped(reports).values()) == [["a", "d"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        (["node1"], "node1"),
        (["node1", "node2", "node3"], "node[1-3]"),
        (["node3", "node1"], "node[1,3]"),
        (["node01", "node02", "node10"], "node[01-02,10]"),
        (["head", "node1", "node2"], "head,node[1-2]"),
        (["a1-b1", "a1-b2", "a2-b1", "a2-b2"], "a[1-2]-b[1-2]"),
    ],
)
def test_folded_names_are_a_node_set_of_the_same_names(names, folded):
    assert fold(names) == folded
    assert sorted(expand(folded)) == sorted(names)


def test_a_colon_in_a_name_that_is_there_separates_nothing(tmp_path):
    (tmp_path / "a:b").write_bytes(b"1")
    assert (read_local(f"{tmp_path}/a:b").name, read_local(f"{tmp_path}/a:b").path) == ("a:b", ".")
    other = read_local(f"{tmp_path}/a:b:/x/y")
    assert (other.name, other.path) == ("a:b", "/x/y")


def test_a_file_that_is_too_large_is_refused(tmp_path):
    with (tmp_path / "big").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ConfigError, match=f"has {LARGEST + 1} bytes, wanted {LARGEST} at most"):
        read_local(str(tmp_path / "big"))
