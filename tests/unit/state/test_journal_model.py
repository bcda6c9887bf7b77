"""Every order in which two clusters come and go while somebody else changes the same settings.

The plans of sysctl and of the firewall's reset are carried out on a model of a server. What holds
after every sequence: the last who set a thing, a build or somebody else, has it as he set it; and
when no cluster stands, all is as if none had ever stood.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from farswitch.firewall.nft import NftChain, NftRule
from farswitch.firewall.reset import plan_reset
from farswitch.firewall.restore import plan_restore
from farswitch.firewall.ruleset import NFT, Chain, Rule, Ruleset, rule_text
from farswitch.state.saved_settings import Journal
from farswitch.sysctl.files import FOLDERS, WANTED
from farswitch.sysctl.plan import SysctlState, plan_absent, plan_present

S = TypeVar("S")
LONGEST = 6
EVENTS = ("build a", "build b", "teardown a", "teardown b", "foreign")
SEQUENCES = sum(len(EVENTS) ** length for length in range(1, LONGEST + 1))


def walk(state: S, after: Callable[[S, str], S], *events: str) -> Iterator[tuple[list[str], S]]:
    """Yield every sequence of one to six events, with the state that it ends in."""
    for event in EVENTS:
        sequence, new = [*events, event], after(state, event)
        yield sequence, new
        if len(sequence) < LONGEST:
            yield from walk(new, after, *sequence)


def owners_after(owners: frozenset[str], event: str) -> frozenset[str]:
    verb, _, who = event.partition(" ")
    return owners | {who} if verb == "build" else owners - {who}


KEYS = tuple(WANTED)
OTHER, BACK, RIGHT = KEYS[:3]
BEFORE = {key: "1" if want == "0" else "0" for key, want in WANTED.items()} | {RIGHT: WANTED[RIGHT]}


def foreign_values(count: int) -> dict[str, str]:
    """Somebody sets new values, one the old value again; some keys nobody ever touches."""
    return {OTHER: str(10 + count), BACK: BEFORE[BACK], RIGHT: str(20 + count)}


@dataclass(frozen=True)
class Settings:
    """A server's kernel settings, and what they have to be."""

    values: dict[str, str]
    files: dict[str, str]
    folders: frozenset[str]
    book: Journal
    owners: frozenset[str]
    foreign: dict[str, str]
    wanted: dict[str, str]
    changes: int = 0

    def after(self, event: str) -> "Settings":
        if event == "foreign":
            theirs = foreign_values(self.changes)
            return replace(
                self,
                values=self.values | theirs,
                foreign=self.foreign | theirs,
                wanted=self.wanted | theirs,
                changes=self.changes + 1,
            )
        owners = owners_after(self.owners, event)
        verb, _, who = event.partition(" ")
        have = SysctlState(self.values, self.files, self.folders)
        plan = (plan_present if verb == "build" else plan_absent)(have, self.book, who, server="s")
        files = {path: text for path, text in (self.files | plan.files).items() if text}
        made = {folder for folder in FOLDERS if any(path.startswith(folder) for path in files)}
        wanted = WANTED if verb == "build" else self.wanted if owners else self.foreign
        return replace(
            self,
            values=self.values | plan.values,
            files=files,
            folders=(self.folders | made) - set(plan.folders),
            book=plan.after,
            owners=owners,
            wanted=wanted,
        )


def test_kernel_settings_are_right_after_every_sequence_of_six_events():
    there = frozenset({"/etc/sysctl.d", "/etc/udev"})
    start = Settings(BEFORE, {}, there, Journal(), frozenset(), BEFORE, BEFORE)
    count = 0
    for events, now in walk(start, Settings.after):
        count += 1
        assert now.values == now.wanted, events
        assert (now.book == Journal()) == (not now.owners), events
        marks = {frozenset(text.splitlines()[1].split()[1:]) for text in now.files.values()}
        owners = frozenset(f"farswitch:{owner}" for owner in now.owners)
        assert marks == ({owners} if owners else set()), events
        assert now.owners or now.folders == there, events
    assert count == SEQUENCES == 19_530


NATIVE = ("inet", "mine", "forward")
NATIVE_KEY, LEGACY_KEY = "nft|inet mine|forward", "iptables-legacy|filter|FORWARD"
Rules = dict[str, tuple[tuple[str, int], ...]]
"""By chain: the texts of its rules, and nft's handles."""


def native(number: int) -> str:
    match = {"op": "==", "left": {"meta": {"key": "mark"}}, "right": number}
    return rule_text(NftRule(0, ({"match": match}, {"drop": None})))


def legacy(number: int) -> str:
    return f"-s 10.9.0.{number}/32 -j DROP"


@dataclass(frozen=True)
class Firewall:
    """A server's firewall, a native chain and one of iptables, and what it has to be."""

    rules: Rules
    policies: dict[str, str]
    book: Journal
    owners: frozenset[str]
    foreign: tuple[dict[str, set[str]], dict[str, str]]
    wanted: tuple[dict[str, set[str]], dict[str, str]]
    changes: int = 1

    @property
    def have(self) -> tuple[dict[str, set[str]], dict[str, str]]:
        texts = {key: [text for text, _ in rules] for key, rules in self.rules.items()}
        assert all(len(set(one)) == len(one) for one in texts.values()), "a rule came back twice"
        return {key: set(one) for key, one in texts.items()}, self.policies

    def ruleset(self) -> Ruleset:
        one = tuple(Rule(text, handle=at) for text, at in self.rules[NATIVE_KEY])
        other = tuple(Rule(text) for text, _ in self.rules[LEGACY_KEY])
        policy = self.policies[NATIVE_KEY]
        kernel = NftChain(*NATIVE, kind="filter", hook="forward", priority=0, policy=policy)
        return Ruleset(
            (
                Chain(NFT, "inet mine", "forward", one, policy, user=False, nft=kernel),
                Chain(
                    "iptables-legacy",
                    "filter",
                    "FORWARD",
                    other,
                    self.policies[LEGACY_KEY],
                    user=False,
                ),
            )
        )

    def after(self, event: str) -> "Firewall":
        if event == "foreign":
            return self._changed()
        verb, _, who = event.partition(" ")
        owners = owners_after(self.owners, event)
        if verb == "build":
            taken = plan_reset(self.ruleset(), self.book, who, f"farswitch:{who}")
            new = self._nft(taken.commands)._emptied(taken.legacy)
            wanted = ({key: set() for key in self.rules}, dict.fromkeys(self.policies, "accept"))
            return replace(new, book=taken.journal, owners=owners, wanted=wanted)
        given = plan_restore(self.ruleset(), self.book, who)
        new = self._nft(given.commands)._given(given.tools)
        wanted = self.wanted if owners else self.foreign
        return replace(new, book=given.journal, owners=owners, wanted=wanted)

    def _changed(self) -> "Firewall":
        """Somebody puts a rule in front of each chain and closes both policies."""
        number, closed = self.changes, dict.fromkeys(self.policies, "drop")
        fresh = {NATIVE_KEY: native(number), LEGACY_KEY: legacy(number)}
        return replace(
            self,
            rules={key: ((text, 1000 + number), *self.rules[key]) for key, text in fresh.items()},
            policies=closed,
            foreign=({key: self.foreign[0][key] | {fresh[key]} for key in fresh}, closed),
            wanted=({key: self.wanted[0][key] | {fresh[key]} for key in fresh}, closed),
            changes=number + 1,
        )

    def _nft(self, commands) -> "Firewall":
        rules, policies = list(self.rules[NATIVE_KEY]), self.policies
        for command in commands:
            ((verb, about),) = command.items()
            ((kind, what),) = about.items()
            if (verb, kind) == ("add", "chain"):
                policies = policies | {NATIVE_KEY: what["policy"]}
            elif (verb, kind) == ("delete", "rule"):
                rules = [rule for rule in rules if rule[1] != what["handle"]]
            else:
                assert (verb, kind) == ("insert", "rule"), command
                handle = 1 + max((at for _, at in rules), default=0)
                rules.insert(0, (json.dumps({"expr": what["expr"]}), handle))
        return replace(self, rules=self.rules | {NATIVE_KEY: tuple(rules)}, policies=policies)

    def _emptied(self, flush) -> "Firewall":
        new = self
        for one in flush.get("iptables-legacy", {}).get("filter", []):
            assert (one.name, one.kept) == ("FORWARD", ())
            opened = {LEGACY_KEY: "accept"} if one.opened else {}
            new = replace(new, rules=new.rules | {LEGACY_KEY: ()}, policies=new.policies | opened)
        return new

    def _given(self, tools) -> "Firewall":
        new = self
        for one in tools.get("iptables-legacy", {}).get("filter", {}).values():
            back = (*((text, 0) for text in one.rules), *new.rules[LEGACY_KEY])
            policy = {LEGACY_KEY: one.policy} if one.policy else {}
            new = replace(new, rules=new.rules | {LEGACY_KEY: back}, policies=new.policies | policy)
        return new


def test_firewall_rules_are_right_after_every_sequence_of_six_events():
    rules = {NATIVE_KEY: ((native(0), 1),), LEGACY_KEY: ((legacy(0), 0),)}
    policies = {NATIVE_KEY: "drop", LEGACY_KEY: "accept"}
    state = ({key: {text for text, _ in one} for key, one in rules.items()}, policies)
    start = Firewall(rules, policies, Journal(), frozenset(), state, state)
    count = 0
    for events, now in walk(start, Firewall.after):
        count += 1
        assert now.have == now.wanted, events
        assert (now.book == Journal()) == (not now.owners), events
    assert count == SEQUENCES == 19_530
