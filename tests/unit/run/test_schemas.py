"""Every command's `--json` has a schema, which is what the documents' types say, and holds."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from io import FileIO
from typing import Any

import click
import pytest

from farswitch.__main__ import COMMANDS
from farswitch.capture.clocks import ClockComparison, ClockOffset
from farswitch.capture.frame_capture import CaptureLimits, FrameCapture
from farswitch.capture.pcapng import PcapngWriter
from farswitch.capture.points import TunnelFrames
from farswitch.errors import Obstacle
from farswitch.lab.addresses import DEFAULT_NAME
from farswitch.matrix.by_guest import BROADCAST, PairCount, TrafficMatrix
from farswitch.matrix.reading import PortCount, TrafficCount
from farswitch.proof.check import Check
from farswitch.run import print_matrix, runs
from farswitch.run.documents import DOCUMENTS, schema
from farswitch.run.print_capture import document
from farswitch.run.report import Report
from farswitch.run.rows import Failure, Row
from farswitch.site.loader import ROOT
from farswitch.trace.frame import TracedFrames
from farswitch.trace.hops import TraceHop
from tests.schemas import SCHEMAS, assert_fits
from tests.unit.capture.sightings import POINTS
from tests.unit.report.runs import run

LINES = {"status-watch", "matrix-watch"}
"""Documents of a command that prints them a line each."""
OBSTACLES = (Obstacle("It is full.", "Empty it."),)
FULL = {
    "seconds": 1.25,
    "rows": [Row("bridge", 0.0, 1.0, hosts={"server1"}, changed=1)],
    "failures": [Failure("server1", "preflight", "No.", "Do.", obstacles=OBSTACLES)],
    "checks": [Check("mtu.exact", "node1", None, "not probed", "")],
    "diffs": [("bridge", "server1", "+ bridge fsb41")],
    "notes": ["Slow."],
    "warnings": ["Undone."],
}
REMAINS = [{"cluster": "lab", "server": "server1", "kind": "bridge", "name": "fsb41",
            "age": "1 h", "kept": ""}]  # fmt: skip
PAIR = {"from": "node1", "to": "node2", "latency_us": 200.1, "bandwidth_mbit": 900}
REPORTS = {
    "build": Report("build", "lab", **FULL),
    "orphans": Report("teardown", "", **FULL, extras={"remains": REMAINS}),
    "teardown": Report("teardown", "lab", dry_run=True, **FULL),
    "preflight": Report("preflight", "lab", ready={"server1": "fit"}, **FULL),
    "verify": Report("verify", "lab", conclusion="All.", **FULL,
                     extras={"pairs": {"made": 3, "all": 3, "seed": None}, "mpi": [PAIR]}),
    "start": Report("start", "lab", **FULL),
    "status": Report("status", "lab", dry_run=True, **FULL),
    "stop": Report("stop", "lab", **FULL),
}  # fmt: skip


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield a command, or those of a group, each with the name of the first."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from commands(name, one)
    else:
        yield name, command


def printed(*words: str) -> dict[str, Any]:
    """Return the document that a command prints."""
    argv = [sys.executable, "-m", "farswitch", *words, "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_with_json_has_a_schema(name: str):
    """Where this fails, describe the document in farswitch/run/documents.py."""
    for _, command in commands(name, import_module(f"workflows.{name}").command):
        flags = {flag for one in command.params for flag in one.opts}
        assert ("--json" in flags) == (name in DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_that_is_published_is_that_of_the_types(name: str):
    """Where this fails: python -m farswitch.run.documents docs/schemas."""
    assert json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")) == schema(name)


def test_nothing_else_is_published():
    assert {path.stem for path in SCHEMAS.iterdir()} == set(DOCUMENTS)
    assert set(DOCUMENTS) - set(COMMANDS) == LINES


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_fits_its_schema(name: str):
    document = REPORTS[name].document()
    assert_fits(name, document)
    assert_fits(name, json.loads(json.dumps(document)))


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("place", [(), ("stages", 0), ("failures", 0), ("checks", 0)])
def test_a_field_that_is_in_no_schema_is_found(name: str, place: tuple[str | int, ...]):
    document = copy.deepcopy(REPORTS[name].document())
    spoilt: Any = document
    for step in place:
        spoilt = spoilt[step]
    spoilt["new"] = 1
    with pytest.raises(AssertionError):
        assert_fits(name, document)


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("field", ["ok", "stages", "failures"])
def test_a_field_that_is_missing_or_of_another_type_is_found(name: str, field: str):
    document = copy.deepcopy(REPORTS[name].document())
    document[field] = "word"
    with pytest.raises(AssertionError):
        assert_fits(name, document)
    del document[field]
    with pytest.raises(AssertionError):
        assert_fits(name, document)


@pytest.mark.parametrize("name", REPORTS)
def test_a_run_that_never_began_fits_too(name: str):
    document = printed(name, "--site", "nowhere")
    assert document["ok"] is False
    assert_fits(name, document)


def test_the_documents_of_a_lab_fit():
    assert_fits("lab", printed("lab", "status", "--name", "no-such-lab"))
    refused = printed("lab", "up", "--control", "many")
    assert refused["lab"] == DEFAULT_NAME
    assert_fits("lab", refused)


def test_the_documents_of_a_site_fit(tmp_path):
    words = ("site", "new", "mine", "--server1", "198.51.100.1", "--server2", "198.51.100.2")
    made, again = (printed(*words, "--below", str(tmp_path)) for _ in range(2))
    assert (made["ok"], again["ok"]) == (True, False)
    assert_fits("site", made)
    assert_fits("site", again)


def test_the_documents_of_kept_runs_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    refused = printed("report")
    assert refused["ok"] is False
    assert_fits("report", refused)
    for name in ("20261129T100000Z-build-lab", "20261129T110000Z-build-lab"):
        runs.save(run(name=name, report=REPORTS["build"].document()))
    assert_fits("runs", printed("runs"))
    assert_fits("report", printed("report", "--output", str(tmp_path / "page.html")))
    both = printed("report", "--compare", *runs.run_names())
    assert_fits("report", both)


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_the_documents_of_a_picture_fit(form):
    drawn = printed("graph", "--no-state", "--format", form)
    assert drawn["picture"]
    assert_fits("graph", drawn)
    assert_fits("graph", printed("graph", "--site", "nowhere"))


def test_the_documents_of_a_trace_fit():
    refused = printed("trace", "node1", "node2", "--site", "nowhere")
    assert refused["ok"] is False
    assert_fits("trace", refused)
    hop = asdict(TraceHop("server1", "tap", "fsd41", "in"))
    found = {"frames": asdict(TracedFrames()), "hops": [hop, hop | {"vni": 41, "count": 20}]}
    assert_fits("trace", Report("trace", "lab", dry_run=True, **FULL).document() | found)


def test_the_documents_of_a_matrix_fit():
    refused = printed("matrix", "--site", "nowhere")
    assert refused["ok"] is False
    assert_fits("matrix", refused)
    pair = PairCount("node1", BROADCAST, "node1", TrafficCount(1, 28))
    ports = {"node1": PortCount(TrafficCount(1, 28))}
    counted = TrafficMatrix(1.0, ("node1",), (pair,), ports, TrafficCount(), steady=True)
    node = {"name": "node1", "status": 0, "stdout": "", "stderr": "", "late": False, "cut": False}
    found = {"matrix": print_matrix.document(counted, {"node1": [0]}), "command": "true",
             "nodes": [node]}  # fmt: skip
    assert_fits("matrix", Report("matrix", "lab", **FULL).document() | found)
    assert_fits("matrix-watch", print_matrix.watch_line("lab", 1.5, counted))


def test_the_documents_of_a_capture_fit(tmp_path):
    refused = printed("capture", "node1", "--site", "nowhere")
    assert refused["ok"] is False
    assert_fits("capture", refused)
    tunnels = TunnelFrames(4789, (41,), 4)
    with FileIO(tmp_path / "a", "wb") as stream:
        writer = PcapngWriter(stream, "farswitch 1")
        limits, clocks = CaptureLimits(60, 1), ClockComparison(tunnels)
        with FrameCapture(writer, clocks, limits, POINTS) as capture:
            capture.end("time")
    capture.lost["server1"] = 3
    capture.offsets.append(ClockOffset("server2", "server1", -5, 9, 1, 2))
    for file in ("a", None):
        found = {"capture": document(capture, POINTS, file)}
        assert_fits("capture", Report("capture", "lab", dry_run=True, **FULL).document() | found)
