"""Converging the guard: nft tables of our own that close every way around the switch.

The tables do not outlive a reboot, and neither do the tunnels: the next build makes both.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError, ForeignObjectError
from farswitch.firewall import nft
from farswitch.firewall.guard_wanted import GuardWanted, guard_removal, guard_tables
from farswitch.model.owner import Owner
from farswitch.remote import script
from farswitch.rollback.confirmed_change import GUARD, confirmed_change

FAMILIES = ("inet", "bridge")
GuardTables = tuple[Mapping[str, list[nft.Json]], Mapping[str, list[nft.Json]]]
"""By family: our tables as they are, and as the server lists those that should be."""
_SEPARATOR = "\n---\n"
_LIST = script("guard_tables")


@dataclass(frozen=True, slots=True)
class TableChange:
    """One table that is to be made, made anew or removed, and the text that does it."""

    family: str
    name: str
    sign: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} table {self.family} {self.name}"


def converge(
    shell: Shell,
    owner: Owner,
    want: GuardWanted | None,
    *,
    have: GuardTables | None = None,
    dry_run: bool = False,
) -> tuple[TableChange, ...]:
    """Replace the tables that are not as wanted; without any wanted remove them all.

    What the server has is read here where it is not given.
    """
    texts = guard_tables(want, owner) if want else {}
    present, listed = have or observe(shell, owner, texts)
    changes = plan(present, listed, texts, owner, server=shell.host)
    if changes and not dry_run:
        with confirmed_change(shell, owner.cluster, undo(changes, present), GUARD):
            shell.run(("nft", "-f", "-"), stdin="".join(change.text for change in changes))
    return changes


def observe(shell: Shell, owner: Owner, texts: Mapping[str, str]) -> GuardTables:
    """Return our tables as they are and as they should be, both as the server lists them."""
    wanted = "yes" if texts else "no"
    argv = ("sh", "-c", _LIST, "guard", wanted, owner.guard_table, *FAMILIES)
    done = shell.run(argv, stdin="".join(texts.values()), check=False)
    if texts and done.status != 0:
        raise FarswitchError(
            f"nft on server '{shell.host}' refused the guard's rules: {done.stderr.strip()}.",
            hint="nft 0.9.4 or newer and unshare (util-linux) are needed.",
        )
    parts = [nft.objects(part) for part in done.stdout.split(_SEPARATOR)[1:]]
    have, want = parts[: len(FAMILIES)], parts[len(FAMILIES) :] or [[], []]
    return dict(zip(FAMILIES, have, strict=True)), dict(zip(FAMILIES, want, strict=True))


def undo(changes: Sequence[TableChange], have: Mapping[str, list[nft.Json]]) -> str:
    """Return the script that makes our tables what they were, in one transaction; pure."""
    commands: list[nft.Json] = []
    for change in changes:
        table = {"table": {"family": change.family, "name": change.name}}
        commands += [{"add": table}, {"delete": table}]
        commands += [{"add": one} for one in have[change.family] if "metainfo" not in one]
    document = json.dumps({"nftables": commands})
    return f"printf %s {shlex.quote(document)} | nft -j -f -"


def is_foreign(listed: list[nft.Json], mark: str) -> bool:
    """Tell whether a table of our name is somebody else's: one that was flushed has chains only."""
    kinds = {kind for one in listed for kind in one}
    flushed = "chain" in kinds and "rule" not in kinds
    return bool(listed) and not flushed and not nft.marked(listed, mark)


def differences(have: Sequence[nft.Json], want: Sequence[nft.Json]) -> list[str]:
    """Return what differs between a table as it is and as it should be; pure."""
    if not have:
        return ["it is not there"]
    present = {chain.name: chain for chain in nft.chains(have)}
    faults: list[str] = []
    for chain in nft.chains(want):
        if chain.name in present:
            faults += _chain_differences(present.pop(chain.name), chain)
        else:
            faults.append(f"chain '{chain.name}' is not there")
    faults += [f"chain '{name}' is not of the guard" for name in present]
    if not faults and nft.canonical(have) != nft.canonical(want):
        faults.append("it is not as built: its flags or the order of its rules differ")
    return faults


def _chain_differences(have: nft.NftChain, want: nft.NftChain) -> Iterator[str]:
    for attribute in ("hook", "priority", "policy"):
        value, wanted = getattr(have, attribute), getattr(want, attribute)
        if value != wanted:
            yield f"chain '{want.name}' has {attribute} {value} instead of {wanted}"
    rules, built = ([nft.canonical(rule.expr) for rule in chain.rules] for chain in (have, want))
    if missing := [rule for rule in built if rule not in rules]:
        yield f"chain '{want.name}' lacks {len(missing)} of {len(built)} rules"
    if more := [rule for rule in rules if rule not in built]:
        yield f"chain '{want.name}' has {len(more)} rules that are not of the guard"


def plan(
    have: Mapping[str, list[nft.Json]],
    want: Mapping[str, list[nft.Json]],
    texts: Mapping[str, str],
    owner: Owner,
    *,
    server: str,
) -> tuple[TableChange, ...]:
    """Return the tables to replace or remove; pure.

    Raises:
        ForeignObjectError: A table of our name lacks our mark.
    """
    changes: list[TableChange] = []
    name = owner.guard_table
    for family in FAMILIES:
        old = have[family]
        if is_foreign(old, owner.mark):
            hint = f"Look: nft list table {family} {name}. Remove it, or rename the cluster."
            raise ForeignObjectError(f"nft table ({family})", name, server, hint=hint)
        if family not in texts:
            if old:
                changes.append(TableChange(family, name, "-", guard_removal(family, name)))
        elif differences(old, want[family]):
            changes.append(TableChange(family, name, "~" if old else "+", texts[family]))
    return tuple(changes)
