"""Nornir's own results on the terminal: `-vv`."""

from __future__ import annotations

import sys

import pytest
from nornir.core.task import Result

from farswitch.run.print_results import Returned, print_results

RETURNED: list[Returned] = [
    ("bridge", "server2", Result(None, 1, changed=True, diff="+ fss\x1b[2J41\n+ x")),
    ("bridge", "server1", Result(None)),
    ("vxlan", "server1", Result(None, failed=True, exception=ValueError("no\x1b]0;x\x07way"))),
]


@pytest.mark.parametrize("on_stderr", [False, True])
def test_each_step_is_printed_host_by_host_and_only_where_it_belongs(
    capsys: pytest.CaptureFixture[str], on_stderr: bool
):
    streams = sys.stdout, sys.stderr
    for _ in range(2):
        print_results(RETURNED, on_stderr=on_stderr)
    assert (sys.stdout, sys.stderr) == streams
    print("{}")
    out, err = capsys.readouterr()
    printed = err if on_stderr else out
    lines = [line for line in printed.splitlines() if line.strip()]
    titles = [
        word
        for line in lines
        for word in ("bridge*", "server1 ", "server2 ", "vxlan*")
        if word in line
    ]
    assert titles == ["bridge*", "server1 ", "server2 ", "vxlan*", "server1 "] * 2
    assert "+ fss41\n+ x" in printed
    assert "noway" in printed
    assert "\x1b[2J" not in printed
    assert "\x07" not in printed
    assert out.endswith("{}\n")
    assert not on_stderr or out == "{}\n"
