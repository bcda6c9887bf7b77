"""Firewall rules as a person knows them: literally, who usually sets them, and what removes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from farswitch.connections.shell.base import Shell
from farswitch.firewall.evaluate import RuleClash
from farswitch.firewall.ruleset import NFT, Ruleset

SETTERS = (
    ("DOCKER", "Docker"),
    ("KUBE-", "Kubernetes"),
    ("CNI-", "a container network (CNI)"),
    ("ufw", "ufw"),
    ("firewalld", "firewalld"),
    ("LIBVIRT_", "libvirt"),
    ("libvirt-", "libvirt's filters"),
    ("f2b-", "fail2ban"),
)
"""What the names of chains and tables begin with, and whose they are."""
USUAL = {"FORWARD": "Docker", "INPUT": "ufw"}
"""Who closes the policy of iptables' chains."""


def setter(have: Ruleset, found: RuleClash) -> str:
    """Return who usually sets a rule or a policy; pure.

    A policy is of whoever has chains of his own in the same table.
    """
    chain, rule = found.chain, found.rule
    names = [chain.name, *chain.table.split()]
    if rule is not None:
        names += rule.text.replace('"', " ").split()
    else:
        same = (one for one in have.chains if (one.tool, one.table) == (chain.tool, chain.table))
        names += [one.name for one in same]
    known = _known(names)
    if not known and rule is None:
        usual = USUAL.get(chain.name) if chain.tool != NFT else None
        return f"somebody's own policy, or what {usual} left" if usual else "somebody's own policy"
    return f"usually set by {known}" if known else "somebody's own rule"


def _known(names: Sequence[str]) -> str:
    for start, who in SETTERS:
        if any(name.startswith(start) for name in names):
            return who
    return ""


def literal(shell: Shell, found: RuleClash) -> str:
    """Return a rule as its own tool prints it, or a policy."""
    chain, rule = found.chain, found.rule
    if rule is None:
        return f"policy {chain.policy}"
    if chain.tool != NFT or chain.nft is None:
        return f"-A {chain.name} {rule.text}"
    argv = ("nft", "-a", "list", "chain", *chain.nft.place)
    for line in shell.run(argv, check=False).stdout.splitlines():
        text, _, handle = line.partition("# handle ")
        if handle.strip() == str(rule.handle):
            return text.strip()
    return rule.text


def removal(found: RuleClash) -> list[str]:
    """Return the program and arguments that take a rule or a closed policy away; pure."""
    chain, rule = found.chain, found.rule
    if chain.tool == NFT and chain.nft is not None:
        family, table, name = chain.nft.place
        if rule is not None:
            return ["nft", "delete", "rule", family, table, name, "handle", str(rule.handle)]
        return ["nft", f"chain {family} {table} {name} {{ policy accept; }}"]
    start = [chain.tool, "-t", chain.table]
    if found.at is None:
        return [*start, "-P", chain.name, chain.open_policy.upper()]
    return [*start, "-D", chain.name, str(found.at + 1)]


def removals(found: Sequence[RuleClash], line: Callable[[Sequence[str]], str]) -> str:
    """Return the line that takes all away, the later rules of a chain first."""
    ordered = sorted(found, key=lambda one: -1 if one.at is None else one.at, reverse=True)
    return " && ".join(line(removal(one)) for one in ordered)
