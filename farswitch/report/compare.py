"""What differs between two runs, largest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from farswitch.report.interfaces import offloads_of
from farswitch.run.run_document import Run, RunServer

NOISE = 0.05
"""Share by which times and rates differ from run to run of the same thing: not named."""
LEAST = 0.2
"""Seconds that a stage's time must differ by to be named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that differs. `ratio` is after ÷ before where both are figures, else None."""

    kind: str
    what: str
    before: str
    after: str
    ratio: float | None = None


def differences(before: Run, after: Run) -> list[Difference]:
    """Return what differs: verdicts first, then what was used, then times and rates by size."""
    figures = [*_times(before, after), *_rates(before, after)]
    figures.sort(key=lambda one: -_size(one))
    return [*_verdicts(before, after), *_used(before, after), *figures]


def _verdicts(before: Run, after: Run) -> Iterator[Difference]:
    if before.verdict != after.verdict:
        yield Difference("verdict", "run", before.verdict, after.verdict)
    old, new = _checks(before), _checks(after)
    for key in (key for key in old if key in new):
        if old[key] != new[key]:
            yield Difference("check", " ".join(key), old[key], new[key])


def _checks(run: Run) -> dict[tuple[str, str], str]:
    """Return the worst verdict of each check on each host."""
    words = {False: "failed", None: "skipped", True: "ok"}
    order = list(words.values())
    found: dict[tuple[str, str], str] = {}
    for check in run.report["checks"]:
        key, word = (check["host"], check["name"]), words[check["ok"]]
        found[key] = min(found.get(key, word), word, key=order.index)
    return found


def _used(before: Run, after: Run) -> Iterator[Difference]:
    yield from _fields("release", {"farswitch": before.release}, {"farswitch": after.release})
    yield from _fields("controller", {"python": before.python}, {"python": after.python})
    yield from _fields("image", {"image": before.image}, {"image": after.image})
    yield from _fields("setting", before.settings, after.settings)
    yield from _fields("package", before.packages, after.packages)
    if before.mtu and after.mtu:
        yield from _fields("data network", {"mtu": before.mtu}, {"mtu": after.mtu})
    numbers = {"nodes": len(before.guests)}, {"nodes": len(after.guests)}
    yield from _fields("setting", *numbers)
    old, new = ({one.name: one for one in run.servers} for run in (before, after))
    for name in sorted(old.keys() & new.keys()):
        # What is free changes all the time, and nothing was found where nobody looked.
        left, right = (_server(one[name]) for one in (old, new))
        known = [field for field in left if left[field] and right.get(field)]
        yield from _fields(
            name, {one: left[one] for one in known}, {one: right[one] for one in known}
        )


def _server(server: RunServer) -> dict[str, str]:
    """Return what a server was and had, of each kind of interface what there is among them."""
    fixed = server.model_dump(include={"role", "address", "device", "mtu", "accelerator"})
    kinds: dict[str, set[str]] = {}
    for one in server.interfaces:
        kinds.setdefault(f"{one.what}, MTU", set()).add(str(one.mtu))
        kinds.setdefault(f"{one.what}, offloads", set()).add(offloads_of(one))
    parts = {kind: " or ".join(sorted(found)) for kind, found in kinds.items()}
    parts |= {f"switch, {name}": value for name, value in server.switch.items()}
    return {name: str(value or "") for name, value in fixed.items()} | server.versions | parts


def _fields(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Difference(kind, name, str(old.get(name, "-")), str(new.get(name, "-")))


def _times(before: Run, after: Run) -> Iterator[Difference]:
    old, new = (
        {"in all": run.report["seconds"]}
        | {one["name"]: one["seconds"] for one in run.report["stages"]}
        for run in (before, after)
    )
    for name in dict.fromkeys((*old, *new)):
        left, right = float(old.get(name, 0)), float(new.get(name, 0))
        if abs(left - right) >= max(LEAST, NOISE * max(left, right)):
            yield Difference("time", name, f"{left:.1f} s", f"{right:.1f} s", _ratio(left, right))


def _rates(before: Run, after: Run) -> Iterator[Difference]:
    for key, what, unit in (
        ("latency_us", "median latency", "µs"),
        ("bandwidth_mbit", "median bandwidth", "Mbit/s"),
    ):
        old, new = (
            [float(pair[key]) for pair in run.report.get("mpi", [])] for run in (before, after)
        )
        if old and new:
            left, right = median(old), median(new)
            if abs(left - right) > NOISE * max(left, right):
                yield Difference(
                    "rate", what, f"{left:,.0f} {unit}", f"{right:,.0f} {unit}", _ratio(left, right)
                )


def _ratio(left: float, right: float) -> float | None:
    return right / left if left and right else None


def _size(one: Difference) -> float:
    """Return how large a difference of figures is; what one of both lacks is largest."""
    if one.ratio is None:
        return float("inf")
    return max(one.ratio, 1 / one.ratio)
