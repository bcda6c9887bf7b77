"""`matrix`: what is asked of the switch's server while a command runs, and what is shown of it.

The server answers from here as its nft and its kernel would, and so does the head.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from nornir.core import task as nornir

from farswitch.connections.shell.protocol import Completed
from farswitch.guests.commands import CommandReport
from farswitch.matrix import count
from farswitch.run import runs
from tasks import matrix as task
from tasks import run_command
from tests.schemas import assert_fits
from workflows import matrix as workflow

GOOD = CommandReport(status=0, stdout="done\n", stderr="", late=False, cut=False)
MAC = "02:fa:00:00:00:{:02x}"
RULE = {"family": "netdev", "table": "farswitch_test", "chain": "ports1", "handle": 4, "expr": []}


class Server:
    """The switch's server: a table that grows by 100 bytes a pair from one reading to the next."""

    host = "server2"

    def __init__(self) -> None:
        self.comment = ""
        self.readings = 0
        self.timers: list[str] = []
        self.grows = True

    def run(self, argv: Sequence[str], *, stdin: object = "", check: bool = True, **_: object):
        words = list(argv)
        if words[0] == "nft" and "list" in words:
            return self._end(self._listed() if self.comment else None)
        if words[0] == "nft":
            self.comment = str(stdin).partition('comment "')[2].partition('"')[0]
            return self._end("")
        if words[3:4] == ["matrix_read"]:
            self.readings += self.grows
            return self._end(self._read() if self.comment else None)
        if words[3:4] == ["rollback"]:
            return self._end({"confirm": "confirmed", "list": ""}.get(words[4], ""))
        self.comment = ""
        return self._end("")

    def start(self, argv: Sequence[str]) -> SimpleNamespace:
        return SimpleNamespace(close=lambda: self.run(["sh", "-c", "remove"]))

    def _listed(self) -> str:
        return json.dumps({"nftables": [{"rule": RULE | {"comment": self.comment}}]})

    def _read(self) -> str:
        counter = {"packets": self.readings, "bytes": 100 * self.readings}
        pairs = [(1, 2), (2, 1)]
        elements = [
            {"elem": {"val": {"concat": [f"fsv{40 + one}", MAC.format(40 + one), MAC.format(to)]},
                      "counter": counter}}
            for one, to in ((one, 40 + other) for one, other in pairs)
        ]  # fmt: skip
        table = [{"counter": {"packets": 0, "bytes": 0}}, {"set": {"elem": elements}}]
        ports = "\n".join(
            f"fsv{number}: {100 * self.readings} {self.readings} 0 0 0" for number in (41, 42)
        )
        return f"{self.readings}.00 steady\n{ports}\n---\n{json.dumps({'nftables': table})}\n"

    @staticmethod
    def _end(printed: str | None) -> Completed:
        status = 0 if printed is not None else 1
        return Completed((), status, printed or "", "No such file or directory")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(task, "shell", lambda _: made)
    monkeypatch.setattr(workflow, "shell", lambda _: made)
    monkeypatch.setattr(workflow, "note_holder", lambda *_: None)

    def switch_look(task: nornir.Task, **_: object) -> nornir.Result:
        return nornir.Result(task.host)

    monkeypatch.setattr(workflow, "switch_look", switch_look)
    monkeypatch.setattr(run_command, "shell", lambda task: SimpleNamespace(host=task.host.name))
    return made


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, server: Server) -> dict[str, CommandReport]:
    """How commands end, by their line; GOOD for those that are not here."""
    reports: dict[str, CommandReport] = {}

    def run_line(login: SimpleNamespace, line: str, user: str, seconds: float) -> CommandReport:
        assert server.comment.startswith("farswitch:test:matrix-"), "while it runs, it is counted"
        assert (login.host, user, seconds) == ("node1", "mpi", 3600.0)
        return reports.get(line, GOOD)

    monkeypatch.setattr(run_command, "run_line", run_line)
    return reports


@pytest.fixture
def typed(built_site: Path, server: Server, ends: object) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        argv = ["--site", str(built_site), *words]
        return CliRunner().invoke(workflow.command, argv, catch_exceptions=False)

    return run


def test_a_command_is_counted_from_its_start_to_its_end(typed, server, tmp_path):
    files = [tmp_path / "pairs.csv", tmp_path / "matrix.svg"]
    words = ("--csv", str(files[0]), "--svg", str(files[1]))
    ended = typed("--json", *words, "--", "mpiexec", "-np", "5", "./job")
    assert ended.exit_code == 0
    document = json.loads(ended.stdout)
    assert_fits("matrix", document)
    found = document["matrix"]
    assert [(one["from"], one["to"], one["bytes"]) for one in found["pairs"]] == [
        ("node1", "node2", 100), ("node2", "node1", 100),
    ]  # fmt: skip
    assert found["ranks"] == {"node1": [0, 4], "node2": [1], "node3": [2], "node4": [3]}
    assert (document["command"], document["nodes"][0]["stdout"]) == (
        "mpiexec -np 5 ./job",
        "done\n",
    )
    assert len(list(csv.DictReader(files[0].read_text().splitlines()))) == 2
    assert "node1 to node2: 100 bytes" in files[1].read_text()
    assert server.comment == ""
    assert runs.load("matrix").report["matrix"] == found


def test_it_is_shown_with_what_the_command_printed_and_its_ranks(typed):
    lines = [
        " ".join(one.split()) for one in typed("--", "mpiexec -np 2 ./job").stdout.splitlines()
    ]
    assert "done" in lines
    assert "From node1 node2 node3 node4 in all" in lines
    assert "node1 100 100" in lines
    assert "node2: rank 1" in lines


def test_a_command_that_places_its_ranks_itself_gets_a_sentence(typed):
    assert "Which rank ran where is not known here" in typed("--", "./own-launcher").stdout


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": 3}, "The command ended with 3."),
        ({"status": None, "late": True}, "The command was ended when its time was up."),
    ],
)
def test_a_bad_end_of_the_command_is_that_of_the_run(typed, ends, changes, words):
    ends["false"] = GOOD.model_copy(update=changes)
    ended = typed("--json", "--", "false")
    document = json.loads(ended.stdout)
    assert_fits("matrix", document)
    assert (ended.exit_code, document["ok"]) == (1, False)
    assert document["failures"][0]["error"] == words
    assert document["matrix"]["pairs"], "it was counted all the same"


def test_without_a_command_it_ends_with_its_time(typed, server):
    ended = typed("--json", "--for", "0.2")
    assert ended.exit_code == 0
    assert "command" not in json.loads(ended.stdout)
    assert server.comment == ""


def test_a_watch_prints_lines_of_what_went_between_two_looks(typed):
    ended = typed("--json", "--watch", "--interval", "0.1", "--for", "1")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(lines) > 1
    for line in lines:
        assert_fits("matrix-watch", line)
        assert [(one["to"], one["bytes"]) for one in line["pairs"]] == [
            ("node2", 100), ("node1", 100),
        ]  # fmt: skip


def test_a_watch_shows_rates_and_then_the_sum(typed):
    said = typed("--watch", "--interval", "0.1", "--for", "0.5").stdout
    assert "800.0 bit/s" in said
    assert "done in" in said


def test_a_long_count_is_renewed_before_the_server_ends_it(typed, server, monkeypatch):
    renewed = []
    monkeypatch.setattr(count, "renew", lambda *_: renewed.append(1))
    monkeypatch.setattr(count, "RENEWAL", 0.1)
    typed("--for", "1")
    assert len(renewed) > 3


@pytest.mark.log_tells("^ERROR The matrix of cluster")
def test_another_count_of_the_cluster_is_not_disturbed(typed, server):
    server.comment = "farswitch:test:matrix-00000000"
    ended = typed("--for", "1")
    assert ended.exit_code == 1
    assert "is being counted on 'server2' already" in ended.output
    assert server.comment


@pytest.mark.log_tells("^ERROR Nothing counts")
def test_a_table_that_went_away_is_a_sentence(typed, server, monkeypatch):
    monkeypatch.setattr(count, "RENEWAL", 0.1)
    renew = count.renew

    def remove(*words: object) -> None:
        renew(*words)
        server.comment = server.comment if server.readings < 3 else ""

    monkeypatch.setattr(count, "renew", remove)
    ended = typed("--for", "5")
    assert ended.exit_code == 1
    assert "Nothing counts at the ports of cluster 'test' on 'server2' any more" in ended.output


@pytest.mark.log_tells("^ERROR ")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for", "5", "--", "true"), "A command is counted to its end"),
        (("--csv", "/nowhere/at/all.csv"), "there is no such folder"),
        (("--", "x" * 20_000), "has more than 16384 bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_counted(typed, server, words, said):
    ended = typed(*words)
    assert ended.exit_code == 2
    assert said in ended.output
    assert server.readings == 0
