"""Which kernel settings and files have to change, and what is given back; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from farswitch.state.keys import SYSCTL_KEYS, FolderKey, SettingKey
from farswitch.state.saved_settings import Journal, Value, claim, release
from farswitch.sysctl.coupled import SWITCH, claim_coupled, made_along, release_coupled
from farswitch.sysctl.files import FOLDERS, WANTED, owners_of, stale

_THERE = "present"
_LOADED_LATER = "net.bridge.bridge-nf-call-"
"""Keys that are 1 when br_netfilter is loaded (br_netfilter_sysctl_default); its others are 0."""


@dataclass(frozen=True, slots=True)
class SysctlState:
    """The values of the keys that exist, our files' contents, and what surrounds them.

    Attributes:
        values: Key to value; also of the settings that the kernel changes along with ours.
        files: Path to content, of our files that exist.
        folders: The folders of our files that exist.
        later: Settings of ours that a file read after ours sets otherwise, as sentences.
        declared: What other files say of the settings that the kernel changes along with ours.
    """

    values: dict[str, str]
    files: dict[str, str]
    folders: frozenset[str]
    later: tuple[str, ...] = ()
    declared: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in this order: journal before, values, kept, files, journal after.

    Attributes:
        have: What was there.
        before: The journal with our intent; equal to what was read at teardown.
        values: Key to new value.
        files: Path to new content; None removes the file.
        folders: Folders that we made, to be removed if they are empty.
        after: The journal when all is done.
        notes: What was left as somebody else made it.
        kept: Key to value, of settings that would change along and are written again.
    """

    have: SysctlState
    before: Journal
    values: dict[str, str]
    files: dict[str, str | None]
    after: Journal
    folders: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[str, ...]:
        """One line for each setting and file that is to change."""
        return (
            *(f"~ {key} {self.have.values[key]} -> {new}" for key, new in self.values.items()),
            *(f"{self._sign(path)} {path}" for path in self.files),
        )

    def _sign(self, path: str) -> str:
        if self.files[path] is None:
            return "-"
        return "~" if path in self.have.files else "+"


def plan_present(have: SysctlState, book: Journal, cluster: str, *, server: str) -> Plan:
    """Return what makes the settings right; pure.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
    """
    for key, want in WANTED.items():
        value: Value = (have.values[key],) if key in have.values else ()
        before = book.claims.get(SettingKey(key))
        if not value and before is not None:
            value = before.ours
        book = claim(book, SettingKey(key), cluster, value, (want,))
    book = claim_coupled(book, have.values, WANTED[SWITCH])
    for folder in FOLDERS:
        there = (_THERE,) if folder in have.folders else ()
        book = claim(book, FolderKey(folder), cluster, there, (_THERE,))
    wrong = {key: want for key, want in WANTED.items() if have.values.get(key, want) != want}
    owners = owners_of(have.files, server) | book.owners(SYSCTL_KEYS)
    return Plan(have, book, wrong, stale(have.files, owners), book, notes=have.later)


def plan_absent(have: SysctlState, book: Journal, cluster: str, *, server: str) -> Plan:
    """Return what gives the settings back as far as no other cluster needs them; pure.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
    """
    values: dict[str, str] = {}
    notes: list[str] = []
    after = book
    for key in WANTED:
        value = have.values.get(key)
        released = release(after, SettingKey(key), cluster, () if value is None else (value,))
        after = released.journal
        if value is None:
            continue
        old = released.saved[0] if released.saved else _at_load(key)
        if released.outcome == "restore" and value != old:
            values[key] = old
        elif released.outcome == "foreign" and value != old:
            notes.append(f"{key} = {value} stays: somebody else set it after farswitch.")
    after, coupled = _coupled(after, have, values)
    kept = {key: value for key, value in coupled.items() if value == have.values[key]}
    values |= {key: value for key, value in coupled.items() if key not in kept}
    made: list[str] = []
    for folder in FOLDERS:
        released = release(after, FolderKey(folder), cluster, (_THERE,))
        after = released.journal
        if released.outcome == "restore":
            made.append(folder)
    owners = (owners_of(have.files, server) | after.owners(SYSCTL_KEYS)) - {cluster}
    files = stale(have.files, owners)
    return Plan(have, book, values, files, after, tuple(made), tuple(notes), kept)


def _coupled(
    after: Journal, have: SysctlState, values: dict[str, str]
) -> tuple[Journal, dict[str, str]]:
    """Return the journal, and what is to be written after `values` to settings coupled with them.

    What the kernel makes right along with them is not written.
    """
    now = have.values.get(SWITCH, "")
    switch = values.get(SWITCH, now)
    after, wanted = release_coupled(after, have.values, switch, have.declared)
    soon = {key: made_along(key, switch) if switch != now else have.values[key] for key in wanted}
    return after, {key: value for key, value in wanted.items() if value != soon[key]}


def _at_load(key: str) -> str:
    """Return what a key is when br_netfilter is loaded and nobody sets it."""
    return "1" if key.startswith(_LOADED_LATER) else "0"
