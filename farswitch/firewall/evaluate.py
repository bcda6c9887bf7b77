"""Whether a chain of rules lets a flow pass.

Passing means certainly accepted, as far as can be known from what the tools print: so
`check` may warn of a rule that does no harm, but misses none that does. What a program on a device
does (`tc`, XDP) no tool prints, and no mode changes it: there a packet that is sent decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farswitch.firewall import packet_hooks
from farswitch.firewall.match import every, matches, of_text, verdict_of
from farswitch.firewall.nft import Json
from farswitch.firewall.ruleset import HOOKS, NFT, Chain, Rule, Ruleset
from farswitch.firewall.traffic import Flow
from farswitch.state.keys import ChainKey

_DEEPEST = 16
"""Jumps that the kernel allows (NFT_JUMP_STACK_SIZE)."""
_PASSES, _RETURNS, _GOES_ON, _DROPS = "passes", "returns", "goes on", "drops"


Place = tuple[ChainKey, int | None]
"""A rule's place in its chain; none is the chain's policy."""


@dataclass(frozen=True, slots=True)
class RuleClash:
    """What keeps a flow from passing: the rule at a place of a chain, or the chain's policy."""

    chain: Chain
    at: int | None = None

    @property
    def place(self) -> Place:
        """What no other clash has: the chain's key, and the place in it."""
        return (self.chain.key, self.at)

    @property
    def rule(self) -> Rule | None:
        """The rule; None for the policy."""
        return None if self.at is None else self.chain.rules[self.at]

    @property
    def literal(self) -> str:
        """The rule as its own tool prints it, or the policy."""
        rule = self.rule
        return f"policy {self.chain.policy}" if rule is None else rule.shown or rule.text

    def __str__(self) -> str:
        return f"'{self.literal}' in {self.chain}"


def find_clash(have: Ruleset, chain: Chain, flow: Flow, *, ours: bool = True) -> RuleClash | None:
    """Return what in a chain that the kernel calls keeps a flow from passing, or None.

    Jumps lead through all rules of `have`; unless `ours`, our own rules do not count.
    """
    verdict = _walk(have, chain, flow, ours=ours, depth=0)
    if isinstance(verdict, RuleClash):
        return verdict
    return RuleClash(chain) if verdict == _RETURNS and chain.policy == "drop" else None


def find_clashes(have: Ruleset, wanted: Iterable[Flow]) -> list[tuple[RuleClash, tuple[Flow, ...]]]:
    """Return each rule or policy that may drop something, with what it may drop."""
    clashes: dict[Place, tuple[RuleClash, tuple[Flow, ...]]] = {}
    for flow in wanted:
        for chain in have.chains:
            if seen_by(chain, flow) and (clash := find_clash(have, chain, flow)):
                _, drops = clashes.get(clash.place, (clash, ()))
                clashes[clash.place] = (clash, (*drops, flow))
    return list(clashes.values())


def suspects(have: Ruleset, wanted: Iterable[Flow]) -> tuple[RuleClash, ...]:
    """Return the programs and filters on devices that may drop something."""
    found = (
        RuleClash(chain, at)
        for flow in wanted
        for chain in have.chains
        if chain.tool in HOOKS and seen_by(chain, flow)
        for at, rule in enumerate(chain.rules)
        if _may_drop(packet_hooks.expressions(rule), flow)
    )
    return tuple({clash.place: clash for clash in found}.values())


def _may_drop(expr: tuple[Json, ...], flow: Flow) -> bool:
    return verdict_of(expr)[0] == "drop" and every(matches(part, flow) for part in expr) != "no"


def seen_by(chain: Chain, flow: Flow) -> bool:
    """Tell whether the kernel shows a flow's packets to a chain."""
    if chain.user or chain.dormant or _translates(chain):
        return False
    if chain.tool in HOOKS:
        return flow.on_device(chain.name, (chain.table,))
    if chain.nft is not None and chain.nft.hook in {"ingress", "egress"}:
        return flow.on_device(chain.nft.hook, chain.nft.devices)
    if chain.nft is not None:
        return chain.nft.family in flow.families and chain.nft.hook in flow.hooks
    family = {"iptables": "ip", "ip6tables": "ip6"}.get(chain.tool.partition("-")[0], "bridge")
    return family in flow.families and chain.name.lower() in flow.hooks


def _translates(chain: Chain) -> bool:
    """Tell whether a chain sees a flow's first packet only; ebtables' `nat` sees every frame."""
    if chain.nft is not None and chain.nft.kind == "nat":
        return True
    return chain.table == "nat" and not chain.tool.startswith("ebtables")


def _walk(have: Ruleset, chain: Chain, flow: Flow, *, ours: bool, depth: int) -> str | RuleClash:
    """Return how a chain ends for a flow: `_PASSES`, `_RETURNS`, or what may drop."""
    may_return = False
    for at, rule in enumerate(chain.rules):
        if rule.ours and not ours:
            continue
        expr = _expressions(chain, at, rule)
        answer = every(matches(part, flow) for part in expr)
        if answer == "no":
            continue
        end = _end(have, chain, expr, flow, ours=ours, depth=depth)
        if chain.tool in HOOKS and answer == "maybe" and end != _GOES_ON:
            return _PASSES  # or not, as what comes next: see `suspects`
        if end == _DROPS:
            return RuleClash(chain, at)
        if isinstance(end, RuleClash):
            return end
        if answer == "yes" and end != _GOES_ON:
            return _RETURNS if may_return else end
        may_return = may_return or end == _RETURNS
    return _RETURNS


def _end(
    have: Ruleset, chain: Chain, expr: tuple[Json, ...], flow: Flow, *, ours: bool, depth: int
) -> str | RuleClash:
    """Return what a rule does with what it matches; for a jump, how the chain there ends."""
    verdict, target = verdict_of(expr)
    if verdict not in {"jump", "goto"}:
        known = {"accept": _PASSES, "return": _RETURNS, "continue": _GOES_ON}
        return known.get(verdict, _DROPS)
    there = have.chain(ChainKey(chain.tool, chain.table, target))
    if there is None or depth == _DEEPEST:  # an extension that we do not know
        return _DROPS
    end = _walk(have, there, flow, ours=ours, depth=depth + 1)
    if end == _RETURNS and there.policy == "drop":  # a user's chain of ebtables
        return RuleClash(there)
    return _GOES_ON if end == _RETURNS and verdict == "jump" else end


def _expressions(chain: Chain, at: int, rule: Rule) -> tuple[Json, ...]:
    if chain.tool in HOOKS:
        return packet_hooks.expressions(rule)
    if chain.nft is not None and (chain.tool == NFT or chain.tool.startswith("ebtables")):
        return chain.nft.rules[at].expr
    return tuple(of_text(rule.text))
