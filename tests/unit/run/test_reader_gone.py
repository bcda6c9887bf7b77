"""Whoever read standard output is gone, as after `| head -1`: a run ends as it would have ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farswitch.site.loader import ROOT

LONG = """
import sys
from farswitch.proof.check import Check
from farswitch.run.print_report import show
from farswitch.run.report import Report
checks = tuple(
    Check("reach.icmp", f"node{{number}}", ok=True, measured="x" * 100, expected="x")
    for number in range(2000)
)
report = Report("verify", cluster="lab", checks=checks)
show(report, as_json={as_json}, verbose={verbose})
sys.exit(report.exit_code)
"""
RESULTS = """
from nornir.core.inventory import Host
from nornir.core.task import Result
from farswitch.run.print_results import print_results
results = [("s", f"n{n}", Result(Host(f"n{n}"), diff="x" * 100)) for n in range(2000)]
print_results(results, on_stderr=False)
"""


def ended(*argv: str, cwd: Path, both: bool = False) -> tuple[int, str]:
    """Run Python with nobody at the other end of its standard output, and perhaps of its errors."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(cwd / "state")},
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer if both else subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        pytest.param(["workflows.build", "--json", "--site", "nowhere"], 2, id="build"),
        pytest.param(["workflows.teardown", "--json", "--site", "nowhere"], 2, id="teardown"),
        pytest.param(["workflows.lab", "restart", "x", "--json"], 2, id="lab"),
        pytest.param(["workflows.verify", "--list"], 0, id="list"),
        pytest.param(
            ["workflows.site", "new", "x", "--json", "--server1=2001:db8::1",
             "--server2=2001:db8::2"], 0, id="site-new",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("both", [False, True], ids=["out", "out-and-errors"])
def test_a_command_ends_as_it_would_have(tmp_path, argv, status, both):
    code, errors = ended("-m", *argv, cwd=tmp_path, both=both)
    assert code == status, errors
    assert "Broken pipe" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_long_report_that_nobody_reads_is_no_failure(tmp_path, as_json, verbose):
    code, errors = ended("-c", LONG.format(as_json=as_json, verbose=verbose), cwd=tmp_path)
    assert code == 0, errors
    assert "Broken pipe" not in errors
    assert ("verify of cluster 'lab' done" in errors) == as_json


def test_long_results_that_nobody_reads_are_no_failure(tmp_path):
    assert ended("-c", RESULTS, cwd=tmp_path) == (0, "")
