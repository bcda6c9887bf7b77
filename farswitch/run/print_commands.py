"""What commands printed on guests: for people grouped where it is equal, for programs each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from farswitch.guests.commands import KEPT, CommandReport
from farswitch.model.node_names import fold
from farswitch.run.terminal import safe, shown

RULE = "-" * 15


def document(name: str, report: CommandReport) -> dict[str, Any]:
    """Return how a command ended on a guest, as programs read it."""
    return {"name": name, **report.model_dump()}


def succeeded(report: CommandReport) -> bool:
    """Whether a command ended by itself, with status 0."""
    return report.status == 0


def grouped(reports: Mapping[str, CommandReport]) -> dict[CommandReport, list[str]]:
    """Return the guests of each end and output, in the order of the first of them."""
    groups: dict[CommandReport, list[str]] = {}
    for name, report in reports.items():
        groups.setdefault(report, []).append(name)
    return groups


def print_commands(console: Console, reports: Mapping[str, CommandReport], seconds: float) -> None:
    """Print each group under the names of its guests; `seconds` was the deadline of each."""
    for report, names in grouped(reports).items():
        style = "bold" if succeeded(report) else "bold red"
        head = f"{fold(names)} ({len(names)}){''.join(_remarks(report, seconds))}"
        console.print(Text(RULE), shown(head, style=style), Text(RULE), sep="\n")
        for text in filter(None, (report.stdout, report.stderr)):
            console.print(Text(safe(text, longest=None).removesuffix("\n")))


def _remarks(report: CommandReport, seconds: float) -> Iterator[str]:
    """Yield what the output alone does not show."""
    if report.late:
        yield f": did not end within {seconds:g} s, and was ended (more time: --timeout)"
    elif report.status:
        yield f": status {report.status}"
    if report.cut:
        yield f": only the first {KEPT} bytes of each output were kept"
