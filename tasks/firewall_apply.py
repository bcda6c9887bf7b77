"""Carries out what firewall_plan.py decided, and writes down beforehand what would undo it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from connections.command import CommandError
from connections.shell import Shell
from tasks import nft, xtables
from tasks.firewall_plan import Reset, plan_reset
from tasks.firewall_restore import Restore, plan_restore
from tasks.journal import Journal
from tasks.journal_file import store
from tasks.ruleset import Chain, Ruleset

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
    _run(shell, _reset_steps(plan))


def apply_restore(shell: Shell, plan: Restore, before: Journal, folder: str) -> Journal:
    """Give the rules back, then forget them: after a crash they are looked for again."""
    _run(shell, _restore_steps(plan))
    if plan.journal.claims == before.claims:
        return before
    return store(shell, plan.journal, folder=folder)


def undo_reset(have: Ruleset, cluster: str, mark: str) -> str:
    """Return the script that brings the rules back which a reset is about to take; pure.

    It first repeats the reset, which changes nothing where that was carried out and completes it
    where it was cut off: so no rule comes back twice.

    Args:
        have: The rules before the reset.
        cluster: The cluster that needs it.
        mark: Its mark.
    """
    plan = plan_reset(have, Journal(), cluster, mark)
    if not plan.changes:
        return ""
    emptied = replace(have, chains=tuple(_emptied(chain, mark) for chain in have.chains))
    given = plan_restore(emptied, plan.journal, cluster)
    lines = [f"{step.line()} 2>/dev/null || true" for step in _reset_steps(plan)]
    lines += ["status=0"]
    lines += [f"{step.line()} || status=1" for step in _restore_steps(given)]
    return "\n".join([*lines, "exit $status"])


def _emptied(chain: Chain, mark: str) -> Chain:
    kept = tuple(rule for rule in chain.rules if rule.ours and rule.ours != mark)
    return replace(chain, rules=kept, policy=chain.policy and chain.open_policy)


def _reset_steps(plan: Reset) -> Iterator[Step]:
    yield from _nft(plan.commands)
    for tool, tables in plan.legacy.items():
        if tool.startswith("ebtables"):
            yield from _commands(xtables.flush_commands(tool, tables))
        else:
            yield _restore(tool, xtables.flush_text(tables))


def _restore_steps(plan: Restore) -> Iterator[Step]:
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
