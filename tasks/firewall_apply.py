"""Carries out what firewall_plan.py and firewall_restore.py decided."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from connections.command import CommandError
from connections.shell import Shell
from tasks import nft, xtables
from tasks.firewall_plan import Reset
from tasks.firewall_restore import Restore
from tasks.journal_file import store

_WAIT = ("-w", "10")
"""Seconds to wait for the lock of the legacy tools."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what it reads."""

    argv: tuple[str, ...]
    stdin: str = ""

    def line(self) -> str:
        """Return it as a line of `sh`."""
        line = shlex.join(self.argv)
        return f"printf %s {shlex.quote(self.stdin)} | {line}" if self.stdin else line


def apply_reset(shell: Shell, plan: Reset, folder: str) -> None:
    """Take the rules away, once the journal knows them."""
    store(shell, plan.journal, folder=folder)
    _run(shell, reset_steps(plan))


def apply_restore(shell: Shell, plan: Restore) -> None:
    """Give the rules back; the journal forgets them later, when a new login has confirmed it."""
    _run(shell, restore_steps(plan))


def reset_steps(plan: Reset) -> Iterator[Step]:
    """Yield the commands that take the rules away."""
    yield from _nft(plan.commands)
    for tool, tables in plan.legacy.items():
        if tool.startswith("ebtables"):
            yield from _commands(xtables.flush_commands(tool, tables))
        else:
            yield _restore(tool, xtables.flush_text(tables))


def restore_steps(plan: Restore) -> Iterator[Step]:
    """Yield the commands that give the rules back."""
    yield from _nft(plan.commands)
    for tool, tables in plan.tools.items():
        if tool != "ebtables-legacy":
            yield _restore(tool, xtables.restore_text(tool, tables))
        yield from _commands(xtables.restore_commands(tool, tables))


def _nft(commands: Sequence[nft.Json]) -> Iterator[Step]:
    if commands:
        yield Step(("nft", "-j", "-f", "-"), json.dumps({"nftables": list(commands)}))


def _restore(tool: str, text: str) -> Step:
    wait = () if tool.startswith("ebtables") else _WAIT
    return Step((f"{tool}-restore", *wait, "--noflush"), text)


def _commands(commands: Iterable[Sequence[str]]) -> Iterator[Step]:
    return (Step(tuple(argv)) for argv in commands)


def _run(shell: Shell, steps: Iterable[Step]) -> None:
    for step in steps:
        try:
            shell.run(step.argv, stdin=step.stdin)
        except CommandError as error:
            if step.argv[0].endswith("-restore"):
                error.hint = f"What {step.argv[0]} refused:\n{step.stdin}"
            raise
