"""What a study says: its table, its page as a browser shows it, its values, two side by side."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from farswitch.study.compare import Ran, changes, made_differently
from farswitch.study.kept import keep
from farswitch.study.methods import methods, rules
from farswitch.study.page import render
from farswitch.study.plan import Cell, Study
from farswitch.study.results import (
    HostLoad,
    PortSamples,
    PortTraffic,
    Results,
    RunRecord,
    Value,
)
from farswitch.study.strip import strip_plot
from farswitch.study.summary import Summary, summarise
from farswitch.study.tables import csv_of, document_of, minutes, summary_lines
from tests.browser import BROWSER, show
from tests.documented import ROOT
from tests.schemas import assert_fits
from tests.unit.study.studies import BRIDGE, MINE, PROOF, record, study

ENVIRONMENT: dict[str, Any] = {
    "farswitch": "0.1.0", "mtu": 1450, "memory": 512, "vcpus": 1, "guest": ["6.1.0", "MPICH 4.0.2"],
    "servers": {
        "server1": {"versions": {"kernel": "6.18.1"}, "accelerator": "qemu", "interfaces": []}
    },
}  # fmt: skip


def run(block: int, cell: Cell, compute: float, pingpong: float) -> RunRecord:
    values = {
        "kernels.compute": Value(value=compute, unit="µs"),
        "kernels.pingpong-8B": Value(value=pingpong, unit="µs", more={"p95": 2 * pingpong}),
    }
    stream = {"sent": 100, "lost": 2, "silence_ms": 12.0}
    return record(block, cell, {}).model_copy(
        update={
            "values": values,
            "entering": 3.0,
            "environment": ENVIRONMENT,
            "ports": {"node1": PortTraffic(received=20_000_000, sent=19_000_000, dropped=4)},
            "retransmitted": {"node1": 7},
            "events": [
                {
                    "at": 0.1,
                    "step": "node1 to_guest: loss 1%",
                    "server": "server2",
                    "began": 0.1,
                    "ended": 0.102,
                    "error": "",
                }
            ],
            "samples": PortSamples(
                at=[-1.0, 0.0, 0.1, 1.0],
                received={"node1": [4_000_000, 100_000, 900_000], "node2": [0, 10, 0]},
                sent={"node1": [0, 0, 10], "node2": [4_000_000, 0, 100]},
            ),
            "load": {"server1": HostLoad(cores=2, idle=0.99, steal=0.0, load=0.1)},
            "exchange": {"order": "make before break", "seconds": 4.0, "stream": stream},
            "noise": ["'server1' is 10% idle, wanted 80%."] if block == 2 else [],
        }
    )


def runs(blocks: int = 6, *, noise: float = 0.0, ratio: float = 3.0) -> list[RunRecord]:
    found = []
    for block in range(blocks + 1):
        wobble = 1 + block / 200
        found.append(run(block, BRIDGE, 100 * wobble, 50 * wobble))
        found.append(run(block, MINE, 100 * wobble * (1 + noise), 50 * ratio * wobble))
    return found


def summary(**more: Any) -> Summary:
    return summarise(study(), runs(**more))


def test_a_difference_is_shown_on_a_quiet_host() -> None:
    found = summary()
    assert found.host == "quiet"
    assert (found.done, found.discarded, found.noisy) == (12, 2, 2)
    assert found.complete
    verdicts = {(row.metric, row.label): row.effect and row.effect.verdict for row in found.rows}
    assert verdicts == {
        ("kernels.compute", "bridge"): None,
        ("kernels.compute", "mine"): "no difference shown",
        ("kernels.pingpong-8B", "bridge"): None,
        ("kernels.pingpong-8B", "mine"): "slower",
        ("kernels.pingpong-8B p95", "bridge"): None,
        ("kernels.pingpong-8B p95", "mine"): "slower",
    }


def test_a_noisy_host_marks_every_row() -> None:
    found = summary(noise=0.5)
    assert found.host == "noisy"
    lines = [line for line in summary_lines(found) if " mine " in line]
    assert len(lines) == 2
    assert all(line.endswith(", host noisy") for line in lines)
    assert document_of(found, "lab")["ok"] is False
    assert "host noisy" in render(found, runs(noise=0.5), "lab")


def test_few_blocks_claim_nothing() -> None:
    found = summary(blocks=5)
    assert found.host == "not judged"
    assert not found.complete
    assert {row.effect.verdict for row in found.rows if row.effect} == {
        "no interval below 6 blocks"
    }
    kept = {rule.number: rule.kept for rule in rules(found)}
    assert kept[2] is False


def test_every_value_is_in_the_table_of_values() -> None:
    rows = list(csv.DictReader(csv_of(runs()).splitlines()))
    assert len(rows) == 14 * 3
    assert sum(row["discarded"] == "1" for row in rows) == 6
    (row,) = [
        one
        for one in rows
        if (one["block"], one["cell"], one["metric"])
        == ("1", "switch=mine", "kernels.pingpong-8B p95")
    ]
    assert float(row["value"]) == pytest.approx(2 * 150 * 1.005)


def test_the_document_fits_its_schema() -> None:
    assert_fits("study", document_of(summary(), "lab"))


def test_the_methods_say_what_was_done() -> None:
    said = methods(summary(), runs())
    for words in ("2 configurations (bridge, mine) in 6 blocks", "(seed 1)", "Linux 6.18.1",
                  "bootstrap resamples of whole blocks", "After each of 14 changes"):  # fmt: skip
        assert words in said
    assert "local" not in said
    assert [rule.number for rule in rules(summary()) if not rule.kept] == [11]
    assert len(rules(summary())) == 12


def test_of_a_local_cell_it_is_said_that_no_byte_crossed() -> None:
    there = [one.model_copy(update={"factors": {"path": "local"}}) for one in runs()[::2]]
    said = methods(summary(), [*there, *runs()[1::2]])
    assert "After each of 7 changes of configuration, byte counters" in said
    assert "After each of 7 changes to a local path, all nodes heard each other and no byte" in said


@pytest.mark.parametrize("values", [(1.0, 2.0), (5.0, 5.0), (0.002, 3000.0), (6.1, 6.2)])
def test_every_dot_is_on_the_axis(values: tuple[float, ...]) -> None:
    found = [record(at, BRIDGE, {"kernels.a": one}) for at, one in enumerate(values, start=1)]
    rows = summarise(study(repeats=2), found).rows
    plot = strip_plot(rows)
    assert [value for value, _ in plot.strips[0].dots] == list(values)
    assert all(0 < share < 1 for _, share in plot.strips[0].dots)
    assert plot.ticks
    assert all(0 <= share <= 1 for _, share in plot.ticks)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3.4, "3 s"), (89, "89 s"), (120, "2 min"), (5400, "1 h 30 min")],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert minutes(seconds) == said


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "dark", "noise"), [(1280, False, 0.0), (400, True, 0.5)])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    width: int, dark: bool, noise: float, tmp_path: Path
) -> None:
    page = show(
        render(summary(noise=noise), runs(noise=noise), "lab"), tmp_path, width=width, dark=dark
    )
    assert page.passes > 10
    assert (page.errors, page.violations) == ([], [])
    assert page.wide <= 0
    assert "<script" not in render(summary(), runs(), "lab")


def test_two_studies_side_by_side() -> None:
    first = Ran(study(), "lab", runs())
    other = Study(**{**{n: getattr(study(), n) for n in Study.__slots__}, "seed": 9})
    slower = [one.model_copy(update={"environment": ENVIRONMENT | {"mtu": 1400}})
              for one in runs(ratio=6.0)]  # fmt: skip
    second = Ran(other, "lab", slower)
    assert ("seed", "1", "9") in list(made_differently(first, second))
    assert ("mtu", "1450", "1400") in list(made_differently(first, second))
    found = {(one.row.metric, one.row.label): one.effect for one in changes(first, second)}
    assert found["kernels.pingpong-8B", "mine"].verdict == "slower"
    assert found["kernels.pingpong-8B", "mine"].interval.holds(2.0)
    assert found["kernels.pingpong-8B", "bridge"].verdict == "no difference shown"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with the results of study `s`."""
    folder = tmp_path / "farswitch/studies/s"
    keep(folder, study(), "lab")
    with Results(folder) as results:
        for one in runs():
            results.add(one)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return folder


def printed(*words: str, status: int = 0) -> dict[str, Any]:
    argv = [sys.executable, "-m", "workflows.study", *words, "--json"]
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == status, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert_fits("study", document)
    return document


def test_what_is_kept_is_shown_reported_and_compared(state: Path, tmp_path: Path) -> None:
    shown = printed("status", "s")
    assert (shown["done"], shown["host"]) == (12, "quiet")
    reported = printed("report", "s")
    assert Path(reported["page"]) == state / "report.html"
    assert Path(reported["values"]).read_text().startswith("block,cell,program,metric,value")
    same = printed("compare", "s", "s")
    assert same["differences"] == []
    assert {row["verdict"] for row in same["rows"]} == {"no difference shown"}
    missing = printed("status", "none", status=2)
    assert "There are no results of a study 'none'" in missing["failures"][0]["error"]


def test_an_archive_has_what_a_rerun_needs(state: Path, tmp_path: Path) -> None:
    own = tmp_path / "s.yaml"
    own.write_text("over: {switch: [bridge, program]}\nprograms: {kernels: builtin}\n")
    archive = tmp_path / "s.tar.gz"
    printed("export", str(own), "--site", "inventory/lab", "--output", str(archive))
    with tarfile.open(archive) as opened:
        assert sorted(opened.getnames()) == [
            f"s/{name}"
            for name in (
                "README", "image.json", "report.html", "results.csv", "results.jsonl",
                "site/defaults.yaml", "site/groups.yaml", "site/hosts.yaml", "study.json",
                "study.yaml",
            )
        ]  # fmt: skip
        assert (
            opened.extractfile("s/results.jsonl").read() == (state / "results.jsonl").read_bytes()
        )


def test_a_plan_counts_what_is_left(state: Path, tmp_path: Path) -> None:
    own = tmp_path / "s.yaml"
    own.write_text("over: {switch: [bridge, program]}\nprograms: {kernels: builtin}\nrepeats: 10\n")
    planned = printed("plan", str(own), "--site", "inventory/lab")
    assert (planned["runs"], planned["discarded"], planned["left"]) == (20, 2, 15)
    assert (planned["unknown"], planned["seconds"]) == (1, 15 * (3.0 + 2.0))


def test_the_last_run_of_each_cell_is_drawn_over_its_time() -> None:
    page = render(summary(), runs(), "lab")
    assert page.count("Ports over time: kernels in") == 2
    assert "<h3>kernels in mine, block 6</h3>" in page
    assert "up to 4 MB a second, with 1 events" in page
    without = [one.model_copy(update={"samples": None}) for one in runs()]
    assert "Ports over the time of a run" not in render(summary(), without, "lab")


def test_proof_of_each_entry_is_counted() -> None:
    assert f"{PROOF.checks * 14} checks in all" in render(summary(), runs(), "lab")
