"""Firewall rules as a person knows them: literally, who usually sets them, and what removes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from farswitch.firewall.evaluate import RuleClash
from farswitch.firewall.obstacles import removal
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


def removals(found: Sequence[RuleClash], line: Callable[[Sequence[str]], str]) -> str:
    """Return the line that takes all away, the later rules of a chain first."""
    ordered = sorted(found, key=lambda one: -1 if one.at is None else one.at, reverse=True)
    return " && ".join(line(removal(one)) for one in ordered)
