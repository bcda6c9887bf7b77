"""Carries out what `reset.py` and `restore.py` decided."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from farswitch.connections.shell.base import NO_PROGRAM, Shell
from farswitch.connections.shell.protocol import CommandError
from farswitch.firewall import iptables, nft
from farswitch.firewall.reset import Reset
from farswitch.firewall.restore import Restore
from farswitch.firewall.ruleset import NFT
from farswitch.state.journal import store

_WAIT = ("-w", "10")
"""Seconds to wait for the lock of the legacy tools."""
_GONE = re.compile(
    r"No such file or directory|does(n't| not) exist|is not a chain|No chain/target/match"
)
"""What the tools say of a rule that names a table, chain or set which is not there."""


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


def apply_restore(shell: Shell, plan: Restore) -> dict[str, str]:
    """Give the rules back; the journal forgets them later, when a new login has confirmed it.

    Returns:
        The tables that could not have theirs, with what their tool says: what these name, a set or
        a chain, is gone. A reboot takes such things, and whoever made them did not do so again.
    """
    lost: dict[str, str] = {}
    for part in (replace(plan, tools={}), *_tables(replace(plan, commands=()))):
        lost |= _give(shell, part)
    return lost


def _give(shell: Shell, plan: Restore) -> dict[str, str]:
    """Give back what is one transaction; where something is gone, table by table."""
    try:
        _run(shell, restore_steps(plan))
    except CommandError as error:
        if error.status == NO_PROGRAM or not _GONE.search(error.stderr):
            raise
        parts = _tables(plan)
        if len(parts) == 1:
            return {_place(plan): " ".join(error.stderr.split())}
        return {place: said for part in parts for place, said in _give(shell, part).items()}
    return {}


def _tables(plan: Restore) -> list[Restore]:
    """Return the same, one part a table."""
    commands: dict[str, list[nft.Json]] = {}
    for one in plan.commands:
        commands.setdefault(_place(replace(plan, commands=(one,))), []).append(one)
    return [
        *(replace(plan, commands=tuple(some), tools={}) for some in commands.values()),
        *(
            replace(plan, commands=(), tools={tool: {table: chains}})
            for tool, tables in plan.tools.items()
            for table, chains in tables.items()
        ),
    ]


def _place(part: Restore) -> str:
    """Return tool and table of a part of one table, as a list of changes has them."""
    if part.tools:
        ((tool, tables),) = part.tools.items()
        return f"{tool} {next(iter(tables))}"
    (made,) = part.commands[0].values()
    return " ".join((NFT, *nft.table_of(made)))


def reset_steps(plan: Reset) -> Iterator[Step]:
    """Yield the commands that take the rules away."""
    yield from _nft(plan.commands)
    for tool, tables in plan.legacy.items():
        if tool.startswith("ebtables"):
            yield from _commands(iptables.flush_commands(tool, tables))
        else:
            yield _restore(tool, iptables.flush_text(tables))


def restore_steps(plan: Restore) -> Iterator[Step]:
    """Yield the commands that give the rules back."""
    yield from _nft(plan.commands)
    for tool, tables in plan.tools.items():
        if tool != "ebtables-legacy":
            yield _restore(tool, iptables.restore_text(tool, tables))
        yield from _commands(iptables.restore_commands(tool, tables))


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
