"""Carries out what `reset.py` and `restore.py` decided."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import NO_PROGRAM, CommandError
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
class ToolCall:
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
    _run(shell, reset_calls(plan))


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
        _run(shell, restore_calls(plan))
    except CommandError as error:
        if error.status == NO_PROGRAM or not _GONE.search(error.stderr):
            raise
        parts = _tables(plan)
        if len(parts) == 1:
            return {_place(plan): " ".join(error.stderr.split())}
        return {place: why for part in parts for place, why in _give(shell, part).items()}
    return {}


def _tables(plan: Restore) -> list[Restore]:
    """Return the same, one part a table."""
    commands: dict[str, list[nft.Json]] = {}
    for command in plan.commands:
        commands.setdefault(_place(replace(plan, commands=(command,))), []).append(command)
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


def reset_calls(plan: Reset) -> Iterator[ToolCall]:
    """Yield the commands that take the rules away."""
    yield from _nft(plan.commands)
    for tool, tables in plan.legacy.items():
        if tool.startswith("ebtables"):
            yield from _commands(iptables.flush_commands(tool, tables))
        else:
            yield _restore(tool, iptables.flush_text(tables))


def restore_calls(plan: Restore) -> Iterator[ToolCall]:
    """Yield the commands that give the rules back."""
    yield from _nft(plan.commands)
    for tool, tables in plan.tools.items():
        if tool != "ebtables-legacy":
            yield _restore(tool, iptables.restore_text(tool, tables))
        yield from _commands(iptables.restore_commands(tool, tables))


def policy_calls(commands: Sequence[nft.Json]) -> tuple[list[nft.Json], list[ToolCall]]:
    """Return what one transaction does, and the calls that set what it cannot.

    nft 1.0.6 takes no chain of several devices as JSON; the policy of one that is there has a text.
    """
    apart: list[ToolCall] = []
    together: list[nft.Json] = []
    for command in commands:
        chain = command.get("add", {}).get("chain", {})
        if isinstance(chain.get("dev"), list):
            place = " ".join(chain[key] for key in ("family", "table", "name"))
            apart.append(ToolCall(("nft", f"chain {place} {{ policy {chain['policy']}; }}")))
        else:
            together.append(command)
    return together, apart


def _nft(commands: Sequence[nft.Json]) -> Iterator[ToolCall]:
    together, apart = policy_calls(commands)
    if together:
        yield ToolCall(("nft", "-j", "-f", "-"), json.dumps({"nftables": together}))
    yield from apart


def _restore(tool: str, text: str) -> ToolCall:
    wait = () if tool.startswith("ebtables") else _WAIT
    return ToolCall((f"{tool}-restore", *wait, "--noflush"), text)


def _commands(commands: Iterable[Sequence[str]]) -> Iterator[ToolCall]:
    return (ToolCall(tuple(argv)) for argv in commands)


def _run(shell: Shell, calls: Iterable[ToolCall]) -> None:
    for call in calls:
        try:
            shell.run(call.argv, stdin=call.stdin)
        except CommandError as error:
            if call.argv[0].endswith("-restore"):
                error.hint = f"What {call.argv[0]} refused:\n{call.stdin}"
            raise
