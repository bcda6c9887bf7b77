"""What a claim of the journal is of, and how the file names it; pure.

`str` of a key is its name in the file. These names stay: journals of earlier releases have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

SYSCTL, RESET = "sysctl:", "firewall:reset"


@dataclass(frozen=True, slots=True, order=True)
class ChainKey:
    """A chain of a server's firewall; of nft, the table with its family: `inet mine`."""

    tool: str
    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.tool} {self.table} {self.name}"


@dataclass(frozen=True, slots=True)
class SettingKey:
    """A setting of the kernel, by the name that sysctl(8) prints."""

    name: str

    def __str__(self) -> str:
        return f"{SYSCTL}{self.name}"


@dataclass(frozen=True, slots=True)
class FolderKey:
    """A folder for a file of our settings, by its absolute path."""

    path: str

    def __str__(self) -> str:
        return f"{SYSCTL}{self.path}"


@dataclass(frozen=True, slots=True)
class _OfChain:
    """Something of a chain."""

    prefix: ClassVar[str]
    chain: ChainKey

    def __str__(self) -> str:
        return f"{self.prefix}|{self.chain.tool}|{self.chain.table}|{self.chain.name}"


class RulesKey(_OfChain):
    """The rules of a chain."""

    __slots__ = ()
    prefix = "firewall:rules"


class PolicyKey(_OfChain):
    """The policy of a chain."""

    __slots__ = ()
    prefix = "firewall:policy"


class DefinitionKey(_OfChain):
    """What a chain of nft's own is made from where it is gone: its definition in nft's JSON."""

    __slots__ = ()
    prefix = "firewall:chain"


@dataclass(frozen=True, slots=True)
class ResetKey:
    """Nothing: its claim says which clusters need the reset, also where no rule was taken."""

    def __str__(self) -> str:
        return RESET


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """What this release has no name for; its claim stays as it is."""

    text: str

    def __str__(self) -> str:
        return self.text


Key = SettingKey | FolderKey | RulesKey | PolicyKey | DefinitionKey | ResetKey | UnknownKey
SYSCTL_KEYS = (SettingKey, FolderKey)
FIREWALL_KEYS = (RulesKey, PolicyKey, DefinitionKey, ResetKey)


def parse_key(text: str) -> Key:
    """Return the key that a file names; `str` of it is the same text."""
    if text == RESET:
        return ResetKey()
    if text.startswith(SYSCTL):
        name = text.removeprefix(SYSCTL)
        return FolderKey(name) if name.startswith("/") else SettingKey(name)
    prefix, *chain = text.split("|", 3)
    for kind in (RulesKey, PolicyKey, DefinitionKey):
        if prefix == kind.prefix and len(chain) == len(ChainKey.__slots__):
            return kind(ChainKey(*chain))
    return UnknownKey(text)
