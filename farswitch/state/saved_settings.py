"""What a server's settings were before farswitch changed them, and which clusters need the change.

A setting that clusters share has one saved value on a server and a set of owners. The last owner
gives it back, and only if the value is still ours. Everything here is pure; `journal.py`
reads and writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from farswitch.state.keys import Key

ABSENT = "absent"
"""The digest of a journal that is not there."""

Value = tuple[str, ...]
"""A setting's value: one line for a sysctl or a policy, one a rule for a chain, none for absent."""
K = TypeVar("K", bound=Key)
Outcome = Literal["not-ours", "shared", "restore", "same", "foreign"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One setting: what it was, what we made it, and for which clusters."""

    saved: Value
    ours: Value
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class Journal:
    """All settings of one server that are held; `digest` is of the file it was read from."""

    claims: Mapping[Key, Claim] = field(default_factory=dict)
    digest: str = field(default=ABSENT, compare=False)

    def owners(self, kinds: tuple[type[Key], ...]) -> frozenset[str]:
        """Return the clusters that hold any setting of these kinds."""
        held = (claim.owners for key, claim in self.claims.items() if isinstance(key, kinds))
        return frozenset().union(*held)

    def keys(self, kind: type[K], cluster: str) -> tuple[K, ...]:
        """Return the keys of a kind that `cluster` holds, in the order of their claims."""
        return tuple(
            key
            for key, claim in self.claims.items()
            if isinstance(key, kind) and cluster in claim.owners
        )

    def held(self) -> Counter[str]:
        """Return how many settings each cluster holds."""
        return Counter(owner for claim in self.claims.values() for owner in claim.owners)

    def put(self, key: Key, claim: Claim | None) -> Journal:
        """Return the journal with one claim replaced, or with None removed."""
        claims = {**self.claims}
        if claim is None:
            claims.pop(key, None)
        else:
            claims[key] = claim
        return replace(self, claims=claims)


@dataclass(frozen=True, slots=True)
class Released:
    """The journal without a cluster's claim, and what that means for the setting.

    Attributes:
        journal: The journal to store once the outcome is carried out.
        outcome: `restore`: give back `saved`. `same`: it has its old value already. `foreign`:
            somebody else changed it since, theirs is kept. `shared`: other clusters need it.
            `not-ours`: the cluster never claimed it.
        saved: The value from before the first claim.
    """

    journal: Journal
    outcome: Outcome
    saved: Value = ()


def claim(journal: Journal, key: Key, cluster: str, have: Value, want: Value) -> Journal:
    """Record that `cluster` needs a setting to be `want`, before that is written.

    A value that is neither the saved one nor ours was set by somebody else after us: it is what
    the last owner gives back.
    """
    old = journal.claims.get(key)
    if old is None:
        return journal.put(key, Claim(have, want, frozenset({cluster})))
    saved = old.saved if have == old.ours else have
    return journal.put(key, Claim(saved, want, old.owners | {cluster}))


def claim_more(journal: Journal, key: Key, have: Value, owners: Iterable[str]) -> Journal:
    """Record that the lines `have` are about to be taken from a list, beside those taken before.

    A line that was taken before and came back (a service started again and wrote its rules anew)
    is recorded once.
    """
    old = journal.claims.get(key, Claim((), (), frozenset()))
    saved = (*old.saved, *beyond(have, old.saved))
    return journal.put(key, Claim(saved, (), old.owners | frozenset(owners)))


def beyond(lines: Iterable[str], others: Iterable[str]) -> Value:
    """Return the lines that are not among the others, in order; one that is there twice, twice."""
    left = Counter(others)
    more: list[str] = []
    for line in lines:
        left[line] -= 1
        if left[line] < 0:
            more.append(line)
    return tuple(more)


def release(journal: Journal, key: Key, cluster: str, have: Value) -> Released:
    """Take back a cluster's claim of a setting; see `Released` for the outcomes."""
    old = journal.claims.get(key)
    if old is None or cluster not in old.owners:
        return Released(journal, "not-ours")
    if others := old.owners - {cluster}:
        return Released(journal.put(key, replace(old, owners=others)), "shared", old.saved)
    rest = journal.put(key, None)
    if have == old.saved:
        return Released(rest, "same", old.saved)
    return Released(rest, "restore" if have == old.ours else "foreign", old.saved)
