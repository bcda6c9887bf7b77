"""What each task returned on each host, printed by nornir-utils: for `-vv`."""

from __future__ import annotations

import atexit
import contextlib
import io
import sys
from collections.abc import Sequence

import colorama
from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, MultiResult, Result
from rich.text import Text

from farswitch.run.print_report import console_for
from farswitch.run.terminal import safe

Returned = tuple[str, str, Result]
"""Step, host, and what the step returned there."""


def print_results(returned: Sequence[Returned], *, on_stderr: bool) -> None:
    """Print all of a run, a paragraph a step, its hosts by name, the words of servers made plain.

    It goes to standard error where standard output is for programs, and has colours where the
    report has them.
    """
    streams = sys.stdout, sys.stderr
    # Here, because its import puts colorama's streams in the place of ours.
    from nornir_utils.plugins.functions import print_result  # noqa: PLC0415

    sys.stdout, sys.stderr = streams
    atexit.unregister(colorama.initialise.reset_all)  # it writes to any terminal, a dumb one too
    steps: dict[str, AggregatedResult] = {}
    for step, host, result in returned:
        steps.setdefault(step, AggregatedResult(step))[host] = _plain(step, host, result)
    printed = io.StringIO()
    coloured = colorama.AnsiToWin32(printed, convert=False, strip=False, autoreset=True)
    with contextlib.redirect_stdout(coloured.stream):
        for aggregated in steps.values():
            print_result(aggregated, vars=["result"])
    console_for(as_json=on_stderr).print(Text.from_ansi(printed.getvalue()))


def _plain(step: str, host: str, result: Result) -> MultiResult:
    """Return a result with nothing in it that a terminal obeys."""
    words = str(result.exception) if result.exception else result.diff
    plain = Result(Host(host), safe(words), changed=result.changed, failed=result.failed, name=step)
    multiple = MultiResult(step)
    multiple.append(plain)
    return multiple
