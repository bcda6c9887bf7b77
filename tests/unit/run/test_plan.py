"""A plan: each change with what it does, the totals, the exit code, and how people read it."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from farswitch.model.cluster import cluster
from farswitch.model.owner import Owner
from farswitch.run.plan import PlanLine, plan_of, print_plan, totals
from farswitch.run.print_report import show
from farswitch.run.report import Report
from farswitch.run.rows import Failure, Row
from farswitch.site.loader import load_site
from farswitch.state.record import complete
from tasks import record

DIFFS = [
    ("bridge", "server1", "+ bridge fsb41 mtu 1450\n~ bridge fsg41 up False -> True"),
    ("vxlan", "server1", "- vxlan fsv43"),
    ("sysctl", "server2", "~ net.ipv4.ip_forward 0 -> 1"),
]
ROWS = [Row("bridge", 0.0, 1.0, changed=2), Row("vxlan", 0.0, 1.0, changed=1),
        Row("sysctl", 0.0, 1.0, changed=1)]  # fmt: skip
SCREEN = """\
server1
  bridge
    + bridge fsb41 mtu 1450
    ~ bridge fsg41 up False -> True
  vxlan
    - vxlan fsv43
server2
  sysctl
    ~ net.ipv4.ip_forward 0 -> 1
"""
REFUSED = Failure("server1", "preflight", "No.", "")


def plan(workflow: str = "build", **more: object) -> Report:
    given = {"rows": ROWS, "diffs": DIFFS, "dry_run": True, **more}
    return Report(workflow, "lab", **given)


def printed(**how: object) -> str:
    file = StringIO()
    print_plan(Console(file=file, highlight=False, soft_wrap=True, **how), plan_of(DIFFS))
    return file.getvalue()


@pytest.mark.parametrize(
    ("line", "action", "what"),
    [
        ("+ volume a", "add", "volume a"),
        ("~ data0 mtu 1450 -> 1400", "change", "data0 mtu 1450 -> 1400"),
        ("- nft inet mine in: - x", "remove", "nft inet mine in: - x"),
        ("interface eth1", "change", "interface eth1"),
        ("+++ running-config", "change", "+++ running-config"),
        ("-A INPUT -j DROP", "change", "-A INPUT -j DROP"),
    ],
)
def test_a_line_does_what_its_sign_says(line, action, what):
    assert plan_of([("step", "host", line)]) == (PlanLine("host", "step", action, what),)


def test_totals_count_each_line_once():
    assert totals(plan_of(DIFFS)) == {"add": 1, "change": 2, "remove": 1}
    assert totals([]) == {"add": 0, "change": 0, "remove": 0}


@pytest.mark.parametrize("width", [20, 80, 140])
def test_lines_stand_under_their_host_and_step_at_any_width(width):
    assert printed(width=width) == SCREEN


SAME = """\
~ bridge fsb41 mtu 1400 -> 1450
+ domain lab-{} (create)"""


def test_equal_hosts_stand_once_with_their_number_and_count_each():
    diffs = [
        ("record", "server1", "+ record of 12 nodes"),
        ("vm_boot", "node1", f"{SAME.format('node1')}\n+ /etc/exports of node10"),
        *(("vm_boot", f"node{number}", SAME.format(f"node{number}")) for number in (2, 3, 4)),
        ("vm_boot", "node10", SAME.format("node1")),
        ("nfs", "node2", "+ /shared from node1"),
        ("nfs", "node4", "+ /shared from node1"),
    ]
    file = StringIO()
    print_plan(Console(file=file), plan_of(diffs))
    assert (
        file.getvalue()
        == """\
server1
  record
    + record of 12 nodes
node1
  vm_boot
    ~ bridge fsb41 mtu 1400 -> 1450
    + domain lab-node1 (create)
    + /etc/exports of node10
node[2,4] (2)
  vm_boot
    ~ bridge fsb41 mtu 1400 -> 1450
    + domain lab-node[2,4] (create)
  nfs
    + /shared from node1
node3
  vm_boot
    ~ bridge fsb41 mtu 1400 -> 1450
    + domain lab-node3 (create)
node10
  vm_boot
    ~ bridge fsb41 mtu 1400 -> 1450
    + domain lab-node1 (create)
"""
    )
    assert totals(plan_of(diffs)) == {"add": 9, "change": 5, "remove": 0}


def test_the_document_names_each_host_of_those_that_stand_once(capsys):
    both = [("vm_boot", name, f"+ domain lab-{name} (create)") for name in ("node1", "node2")]
    show(plan(diffs=both), as_json=True, verbose=0)
    printed = capsys.readouterr()
    assert "node[1-2] (2)\n  vm_boot\n    + domain lab-node[1-2] (create)\n" in printed.err
    assert [line["host"] for line in json.loads(printed.out)["plan"]] == ["node1", "node2"]
    assert "Plan: 2 to add, 0 to change, 0 to remove." in printed.err


def test_colours_are_of_terminals_alone(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = {"force_terminal": True, "color_system": "standard", "width": 80}
    coloured = printed(**terminal)
    assert "\x1b[32m    + bridge" in coloured
    assert "\x1b[33m    ~ bridge" in coloured
    assert "\x1b[31m    - vxlan" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == SCREEN
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[3\dm", printed(**terminal))


def test_a_terminal_is_given_no_orders():
    file = StringIO()
    print_plan(Console(file=file), plan_of([("vxlan", "server1", "- vxlan \x1b[2J (x)")]))
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    ("report", "last"),
    [
        pytest.param(plan(), "Plan: 1 to add, 2 to change, 1 to remove.", id="changes"),
        pytest.param(
            plan(rows=[], diffs=[]), "No changes. The cluster stands as the site says.", id="build"
        ),
        pytest.param(plan("teardown", rows=[], diffs=[]), "No changes.", id="teardown"),
        pytest.param(
            plan(failures=[REFUSED]),
            "Plan, as far as it could be made: 1 to add, 2 to change, 1 to remove.",
            id="failed",
        ),
        pytest.param(plan(dry_run=False), "done in 0.0 s, 4 changed.", id="run"),
    ],
)
def test_the_last_line_is_the_sum(capsys, report, last):
    show(report, as_json=False, verbose=0)
    assert capsys.readouterr().out.splitlines()[-1].endswith(last)


def test_verify_plans_nothing(capsys):
    show(Report("verify", "lab", dry_run=True), as_json=True, verbose=0)
    shown = capsys.readouterr()
    assert "Plan" not in shown.err
    assert "No changes" not in shown.err
    assert {"plan", "totals"}.isdisjoint(json.loads(shown.out))


@pytest.mark.parametrize("dry", [True, False])
def test_the_document_has_the_lines_that_people_read(capsys, dry):
    show(plan(dry_run=dry), as_json=True, verbose=1)
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert SCREEN in shown.err
    assert document["plan"][1] == {
        "host": "server1", "stage": "bridge", "action": "change",
        "what": "bridge fsg41 up False -> True",
    }  # fmt: skip
    assert document["totals"] == {"add": 1, "change": 2, "remove": 1}
    assert document["changed"] == len(document["plan"])


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (plan(detailed=True), 3),
        (plan(), 0),
        (plan(rows=[], diffs=[], detailed=True), 0),
        (plan(failures=[REFUSED], detailed=True), 1),
        (plan(failures=[Failure("", "", "Bad.", "", usage=True)], detailed=True), 2),
    ],
)
def test_the_exit_code_tells_of_changes_where_it_is_asked_for(report, code):
    assert report.exit_code == code


@pytest.mark.parametrize(("nodes", "line"), [(1, "+ record of 1 node"), (4, "+ record of 4 nodes")])
def test_a_plan_counts_one_node_as_one(
    built_site: Path, monkeypatch: pytest.MonkeyPatch, nodes: int, line: str
):
    made = complete(None, cluster(load_site(str(built_site)), nodes), nodes, 1450)
    monkeypatch.setattr(record, "shell", lambda _task: None)
    monkeypatch.setattr(record, "read", lambda _login, _name: None)
    task = SimpleNamespace(host=None, is_dry_run=lambda _dry: True)
    assert record.record(task, Owner("test", 41), made).diff == line
