"""What a run changes, or in a dry run would: a line a change, which adds, changes or removes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, TypeAlias

from rich.console import Console

from farswitch.model.node_names import fold_hosts
from farswitch.run.terminal import shown

Action: TypeAlias = Literal["add", "change", "remove"]
Diff: TypeAlias = tuple[str, str, str]
"""Step, host, and the lines of the step's `Result.diff` there."""
ACTIONS: dict[str, Action] = {"+": "add", "~": "change", "-": "remove"}
"""What a line of a diff does, by the sign that it begins with."""
HOST = "\0"
"""Stands for a host's own name in a line that several hosts have."""
_SIGNS = {action: sign for sign, action in ACTIONS.items()}
_STYLES: dict[Action, str] = {"add": "green", "change": "yellow", "remove": "red"}


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One change of one host."""

    host: str
    stage: str
    action: Action
    what: str

    def __str__(self) -> str:
        return f"{_SIGNS[self.action]} {self.what}"


def plan_of(diffs: Iterable[Diff]) -> tuple[PlanLine, ...]:
    """Return the changes that diffs list; a line without a sign, of a task of one's own, is one."""
    return tuple(
        _line(host, stage, text) for stage, host, diff in diffs for text in diff.splitlines()
    )


def _line(host: str, stage: str, text: str) -> PlanLine:
    sign, _, what = text.partition(" ")
    if sign in ACTIONS:
        return PlanLine(host, stage, ACTIONS[sign], what)
    return PlanLine(host, stage, "change", text)


def totals(plan: Iterable[PlanLine]) -> dict[Action, int]:
    """Return how many lines add, change and remove something."""
    counted = Counter(line.action for line in plan)
    return {action: counted[action] for action in ACTIONS.values()}


def in_words(plan: Iterable[PlanLine]) -> str:
    """Return the totals as a sentence has them."""
    return ", ".join(f"{count} to {action}" for action, count in totals(plan).items())


def print_plan(console: Console, plan: Iterable[PlanLine]) -> None:
    """Print the changes, host by host, under the steps that make them; equal hosts as one."""
    for names, lines in folded(plan).items():
        hosts = fold_hosts(names)
        count = f" ({len(names)})" if names[1:] else ""
        console.print(shown(f"{hosts}{count}", style="bold"))
        for stage, own in groupby(lines, lambda line: line.stage):
            console.print(shown(f"  {stage}"))
            for line in own:
                text = str(line).replace(HOST, hosts)
                console.print(shown(f"    {text}", style=_STYLES[line.action]))


def folded(plan: Iterable[PlanLine]) -> dict[tuple[str, ...], list[PlanLine]]:
    """Return the lines of hosts that have the same ones, with `HOST` for a host's own name.

    The hosts are in the order of the first of them.
    """
    by_host: dict[str, list[PlanLine]] = {}
    for line in plan:
        by_host.setdefault(line.host, []).append(line)
    alike: dict[tuple[PlanLine, ...], list[str]] = {}
    for host, lines in by_host.items():
        own = re.compile(rf"(?<!\w){re.escape(host)}(?!\w)")
        key = tuple(replace(line, host="", what=own.sub(HOST, line.what)) for line in lines)
        alike.setdefault(key, []).append(host)
    return {tuple(hosts): list(lines) for lines, hosts in alike.items()}
