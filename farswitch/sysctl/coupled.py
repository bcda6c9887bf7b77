"""Which settings the kernel changes along with one that we write, and what they have to be; pure.

Another value of `net.ipv4.ip_forward` (`net.ipv4.conf.all.forwarding` is the same setting) becomes
that of `forwarding` of `default` and of each interface, and makes `accept_redirects` of `all` its
opposite: inet_forward_change() in the kernel's net/ipv4/devinet.c. A write of the value that is
there already does nothing. No other setting that we write changes a second one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from farswitch.state.keys import SettingKey
from farswitch.state.saved_settings import Claim, Journal

SWITCH = "net.ipv4.ip_forward"
ALIAS = "net.ipv4.conf.all.forwarding"
REDIRECTS = "net.ipv4.conf.all.accept_redirects"
DEFAULT = "net.ipv4.conf.default.forwarding"
COUPLED = (REDIRECTS, "net.ipv4.conf.*.forwarding")
"""What may change along, as shell patterns."""


def is_coupled(key: str) -> bool:
    """Tell whether the kernel changes a setting along with `SWITCH`, whatever interfaces exist."""
    return key != ALIAS and any(fnmatchcase(key, pattern) for pattern in COUPLED)


def made_along(key: str, switch: str) -> str:
    """Return what the kernel makes of a coupled setting when `SWITCH` becomes `switch`."""
    if key == REDIRECTS:
        return "1" if switch == "0" else "0"
    return switch


def claim_coupled(book: Journal, have: Mapping[str, str], want: str) -> Journal:
    """Record what a write of `want` to `SWITCH`, which is claimed already, changes along.

    A setting that is what the kernel makes it along with the present value needs no claim: writing
    that value again restores it. But where `default` differs, all interfaces do.
    """
    switch = have.get(SWITCH)
    owners = book.claims[SettingKey(SWITCH)].owners
    for key in _claimed(book):
        book = book.put(key, replace(book.claims[key], owners=owners))
    if switch in (None, want):
        return book
    all_differ = have.get(DEFAULT, switch) != switch
    for name, value in _coupled(have):
        key = SettingKey(name)
        along = value == made_along(name, switch)
        if not along or (all_differ and key not in book.claims):
            book = book.put(key, Claim((value,), (made_along(name, want),), owners))
    return book


def release_coupled(
    book: Journal, have: Mapping[str, str], switch: str, declared: Mapping[str, str]
) -> tuple[Journal, dict[str, str]]:
    """Return the journal without coupled settings, and what these have to be, as far as known.

    Args:
        book: The journal, where the claim of `SWITCH` is released already.
        have: The settings as they are.
        switch: What `SWITCH` is going to be.
        declared: What files of sysctl.d(5) say of the coupled settings: one that is so already
            stays, unless it was otherwise before.
    """
    claims = {key: book.claims[key] for key in _claimed(book)}
    held = book.claims.get(SettingKey(SWITCH))
    for key, claim in claims.items():
        book = book.put(key, replace(claim, owners=held.owners) if held else None)
    now = have.get(SWITCH)
    if held or now is None or (now == switch and not claims):
        return book, {}
    saved = {key.name: claim.saved[0] for key, claim in claims.items()}
    wanted = {}
    for name, value in _coupled(have):
        if value != made_along(name, now):
            wanted[name] = value
        elif name in saved:
            wanted[name] = saved[name]
        elif declared.get(name) == value:
            wanted[name] = value
        elif name != REDIRECTS:  # where `default` is claimed, an interface that came meanwhile
            wanted[name] = saved.get(DEFAULT, switch)
        else:
            wanted[name] = made_along(name, switch)
    return book, wanted


def _claimed(book: Journal) -> list[SettingKey]:
    return [key for key in book.claims if isinstance(key, SettingKey) and is_coupled(key.name)]


def _coupled(have: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in have.items() if is_coupled(name))
