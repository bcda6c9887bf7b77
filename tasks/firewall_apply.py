"""Carries out what firewall_plan.py decided."""

from __future__ import annotations

import json
from collections.abc import Sequence

from connections.command import CommandError
from connections.shell import Shell
from tasks import nft, xtables
from tasks.firewall_plan import Reset
from tasks.firewall_restore import Restore
from tasks.journal import Journal
from tasks.journal_file import store

_WAIT = ("-w", "10")
"""Seconds to wait for the lock of the legacy tools."""


def apply_reset(shell: Shell, plan: Reset, folder: str) -> None:
    """Take the rules away, once the journal knows them."""
    store(shell, plan.journal, folder=folder)
    _nft(shell, plan.commands)
    for tool, tables in plan.legacy.items():
        if tool.startswith("ebtables"):
            _commands(shell, xtables.flush_commands(tool, tables))
        else:
            _restore(shell, tool, xtables.flush_text(tables))


def apply_restore(shell: Shell, plan: Restore, before: Journal, folder: str) -> Journal:
    """Give the rules back, then forget them: after a crash they are looked for again."""
    _nft(shell, plan.commands)
    for tool, tables in plan.tools.items():
        if tool != "ebtables-legacy":
            _restore(shell, tool, xtables.restore_text(tool, tables))
        _commands(shell, xtables.restore_commands(tool, tables))
    if plan.journal.claims == before.claims:
        return before
    return store(shell, plan.journal, folder=folder)


def _nft(shell: Shell, commands: Sequence[nft.Json]) -> None:
    if commands:
        shell.run(("nft", "-j", "-f", "-"), stdin=_document(commands))


def _document(commands: Sequence[nft.Json]) -> str:
    return json.dumps({"nftables": list(commands)})


def _restore(shell: Shell, tool: str, text: str) -> None:
    wait = () if tool.startswith("ebtables") else _WAIT
    try:
        shell.run((f"{tool}-restore", *wait, "--noflush"), stdin=text)
    except CommandError as error:
        error.hint = f"What {tool}-restore refused:\n{text}"
        raise


def _commands(shell: Shell, commands: Sequence[Sequence[str]]) -> None:
    for argv in commands:
        shell.run(argv)
