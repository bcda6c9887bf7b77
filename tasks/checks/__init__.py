"""What verify proves: one subject a file. A file here with a `PROBE`, or `PROBES`, is a part of it.

Each file measures, and judges what it measured by pure functions.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tasks.probe import Probe

FAMILIES = (
    "server", "tunnel", "guest", "mtu", "reach", "ssh", "nfs", "mpi", "path", "attack", "control",
)  # fmt: skip
"""The order: what a failure explains comes after it. A family that is not named comes last."""


def probes() -> tuple[Probe, ...]:
    """Return every probe, in the order in which they run."""
    found: list[Probe] = []
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        loaded = import_module(module.name)
        found += getattr(loaded, "PROBES", ())
        if isinstance(one := getattr(loaded, "PROBE", None), Probe):
            found.append(one)
    return tuple(sorted(found, key=_place))


def _place(probe: Probe) -> tuple[int, int, str]:
    stage = probe.stage
    place = FAMILIES.index(stage) if stage in FAMILIES else len(FAMILIES)
    return place, probe.rank, next(iter(probe.checks))
