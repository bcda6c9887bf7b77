"""Which checks of verify are asked for: `--only`, `--skip`, `--list`, and those that must be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from farswitch.errors import ConfigError
from farswitch.proof.probe import Probe


def split(words: str) -> list[str]:
    """Return the families and names of a list with commas."""
    return [word.strip() for word in words.split(",") if word.strip()]


def select(
    probes: Sequence[Probe], *, only: str = "", skip: str = "", asked: Iterable[str] = ()
) -> frozenset[str]:
    """Return the names of the checks that are made.

    `only` and `skip` are families or names with commas; an empty `only` means all that need not be
    asked for. `asked` are the families that run only when asked for, and are.

    Raises:
        ConfigError: There is no such family or check, or nothing is left.
    """
    known = {name: probe for probe in probes for name in probe.checks}
    chosen = _matching(known, split(only), "--only")
    asked = set(asked)
    if only:
        chosen |= _matching(known, sorted(asked), "")
    else:
        chosen = {n for n, probe in known.items() if not probe.asked or _family(n) in asked}
    chosen -= _matching(known, split(skip), "--skip")
    if not chosen:
        raise ConfigError("--only and --skip leave no check.", hint="All checks: --list")
    return frozenset(chosen)


def wanted(probes: Sequence[Probe], chosen: frozenset[str]) -> list[Probe]:
    """Return the probes that run: those of the chosen checks, and those on which they stand."""
    asked = [probe for probe in probes if chosen & set(probe.checks)]
    needed = {"always", *("guests" for probe in asked if probe.visits)}
    return [probe for probe in probes if probe in asked or probe.vital in needed]


def _family(name: str) -> str:
    return name.partition(".")[0]


def _matching(names: Iterable[str], words: Iterable[str], option: str) -> set[str]:
    names = list(names)
    found: set[str] = set()
    for word in words:
        same = {name for name in names if word in (name, _family(name))}
        if not same:
            families = ", ".join(dict.fromkeys(map(_family, names)))
            raise ConfigError(
                f"{option}: there is no check or family '{word}'; the families are {families}.",
                hint="All checks: farswitch verify --list",
            )
        found |= same
    return found
