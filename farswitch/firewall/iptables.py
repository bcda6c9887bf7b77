"""The texts of iptables-save and its family, and what their restore reads."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KERNEL_FAMILY = {"iptables-nft": "ip", "ip6tables-nft": "ip6", "ebtables-nft": "bridge"}
"""The tools whose tables are nft tables of the kernel, and the family of those."""
KERNEL_CHAINS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING"})
"""What the kernel calls in the tables of iptables and ebtables: these chains have policies."""
LEGACY = ("iptables-legacy", "ip6tables-legacy", "ebtables-legacy")


@dataclass(slots=True)
class Saved:
    """One table of a save text: policy by chain ("-" for a chain of the user), rules by chain."""

    policies: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """What one chain gets back.

    Attributes:
        rules: Rules, to stand in front of the chain's own in this order.
        policy: Its policy, or None to leave it.
        user: The chain is the user's, not one that the kernel calls.
        missing: It has to be made.
    """

    rules: tuple[str, ...] = ()
    policy: str | None = None
    user: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Emptied:
    """A chain of a legacy tool that is emptied but for some rules.

    Attributes:
        kept: The rules that stay.
        opened: Its policy becomes an accepting one.
        made: It was not there before: it goes.
    """

    name: str
    kept: tuple[str, ...] = ()
    opened: bool = False
    made: bool = False


def parse(text: str) -> dict[str, Saved]:
    """Return the tables of a save text; a rule is kept as the text after its chain's name."""
    tables: dict[str, Saved] = {}
    table = Saved()
    for line in text.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:].strip(), Saved())
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            table.policies[name] = policy
            table.rules.setdefault(name, [])
        elif line.startswith("-A "):
            name, _, rule = line[3:].partition(" ")
            table.rules.setdefault(name, []).append(rule)
    return tables


def comment(rule: str) -> str:
    """Return a rule's comment, or nothing."""
    words = shlex.split(rule)
    return words[words.index("--comment") + 1] if "--comment" in words[:-1] else ""


def restore_text(tool: str, tables: Mapping[str, Mapping[str, Given]]) -> str:
    """Return what `TOOL-restore --noflush` reads to put rules and policies back."""
    counters, none = ("", "RETURN") if tool.startswith("ebtables") else (" [0:0]", "-")
    lines: list[str] = []
    for table, chains in tables.items():
        lines.append(f"*{table}")
        for name, given in chains.items():
            # Such a line empties a user's chain that is there: only for a missing one.
            if given.missing:
                lines.append(f":{name} {none}{counters}")
            elif given.policy and not given.user:
                lines.append(f":{name} {given.policy.upper()}{counters}")
        for name, given in chains.items():
            lines += [f"-I {name} {at} {rule}" for at, rule in enumerate(given.rules, start=1)]
        lines.append("COMMIT")
    return "".join(f"{line}\n" for line in lines)


def restore_commands(tool: str, tables: Mapping[str, Mapping[str, Given]]) -> list[list[str]]:
    """Return the commands for what a restore text cannot say: only ebtables needs any.

    A user's chain has a policy there, and the legacy backend's restore always flushes.
    """
    if not tool.startswith("ebtables"):
        return []
    legacy = tool in LEGACY
    made: list[list[str]] = []
    given: list[list[str]] = []
    for table, chains in tables.items():
        start = [tool, "-t", table]
        for name, one in chains.items():
            if legacy and one.missing:
                made.append([*start, "-N", name])
            if one.policy and (legacy or one.user):
                given.append([*start, "-P", name, one.policy.upper()])
            rules = one.rules if legacy else ()
            for at, rule in enumerate(rules, start=1):
                given.append([*start, "-I", name, str(at), *shlex.split(rule)])
    return made + given


def flush_text(tables: Mapping[str, Iterable[Emptied]]) -> str:
    """Return what empties chains of a legacy iptables, and sets the policy ACCEPT where asked."""
    lines: list[str] = []
    for table, chains in tables.items():
        emptied = list(chains)
        lines.append(f"*{table}")
        lines += [f":{one.name} ACCEPT [0:0]" for one in emptied if one.opened]
        lines += [f":{one.name} - [0:0]" for one in emptied if one.made]
        lines += [f"-F {one.name}" for one in emptied]
        lines += [f"-A {one.name} {rule}" for one in emptied for rule in one.kept]
        lines += [f"-X {one.name}" for one in emptied if one.made]
        lines.append("COMMIT")
    return "".join(f"{line}\n" for line in lines)


def flush_commands(tool: str, tables: Mapping[str, Iterable[Emptied]]) -> list[list[str]]:
    """Return the same as commands: the restore of ebtables' legacy backend empties all it names."""
    commands: list[list[str]] = []
    for table, chains in tables.items():
        start, emptied = [tool, "-t", table], list(chains)
        for one in emptied:
            policy = "ACCEPT" if one.name in KERNEL_CHAINS else "RETURN"
            commands += [[*start, "-P", one.name, policy]] if one.opened else []
            commands.append([*start, "-F", one.name])
            commands += [[*start, "-A", one.name, *shlex.split(rule)] for rule in one.kept]
        commands += [[*start, "-X", one.name] for one in emptied if one.made]
    return commands
