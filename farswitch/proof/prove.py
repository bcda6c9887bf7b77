"""Probes become verdicts: no check is ever missing, none passes unmade."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nornir.core.task import Task

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.probe import Gather, Observe, Probe, Proof, sound

LOGGER = logging.getLogger("farswitch")
UNYIELDED = "the probe ended without a verdict"
FAULT = "A probe of '%s'"
Round = Mapping[str, Sequence[Callable[[Task], object]]]
"""By host: what is observed there, one after the other."""
Outcomes = Mapping[str, Sequence[object]]
"""By host: what each of these was, or the FarswitchError that ended it."""
Verdicts = Mapping[str, Iterable[Check]]


def prove(
    probes: Sequence[Probe],
    context: Context,
    observe: Callable[[Round], Outcomes],
    *,
    chosen: Collection[str],
    dry: bool,
) -> list[Check]:
    """Run probes side by side, and return their verdicts, which are kept as evidence too.

    Args:
        probes: What is measured.
        context: What they may use.
        observe: Makes the observations of one round, on all hosts side by side.
        chosen: The names of the checks that were asked for; others are made but not reported.
        dry: Whether nothing may be written.
    """
    runs = [_Run(probe, context, reason_to_skip(probe, context, dry=dry)) for probe in probes]
    while due := [run for run in runs if run.gather]:
        _gather(due, context, observe)
    reported: list[Check] = []
    for run in runs:
        for host in context.on(run.probe.on):
            made = run.verdicts_on(host)
            kept = [
                check
                for check in made
                if check.name in chosen or _unasked(check, run.probe, context)
            ]
            context.evidence.checks += kept
            reported += kept
    return reported


@dataclass(slots=True)
class _Run:
    """A probe on its way: what it observes next, and its verdicts when nothing is left."""

    probe: Probe
    context: Context
    skip: str
    gather: Gather | None = None
    verdicts: Verdicts | FarswitchError = field(default_factory=dict)
    proof: Proof = field(init=False)

    def __post_init__(self) -> None:
        self.proof = self.probe.prove(self.context)
        lost = all(_lost(host, self.context) for host in self.context.on(self.probe.on))
        if not self.skip and not lost:
            self.advance(None)

    def advance(self, observed: Any) -> None:
        """Send the proof what was observed."""
        self.gather = None
        try:
            self.gather = self.proof.send(observed)
        except StopIteration as end:
            self.verdicts = end.value
        except FarswitchError as error:
            self.verdicts = error
        except Exception as error:  # a fault of ours is no reason to miss a check
            LOGGER.exception(FAULT, self.probe.family)
            self.verdicts = _fault(error)

    def verdicts_on(self, host: str) -> list[Check]:
        """Return the verdicts of one host, with a failure for each that is missing."""
        probe, context, made = self.probe, self.context, list[Check]()
        if why := self.skip or _lost(host, context):
            return [skipped(name, host, why, proved) for name, proved in probe.checks.items()]
        try:
            made.extend(sound(self.verdicts).get(host, ()))
        except FarswitchError as error:
            if isinstance(error, ConnectionLostError) and error.host in context.hosts:
                context.evidence.lose(error.host, error.cause)
            return made + fallen(probe, host, made, error)
        except Exception as error:  # a fault of ours is no reason to miss a check
            LOGGER.exception(FAULT, probe.family)
            return made + fallen(probe, host, made, _fault(error))
        return [*made, *missing(probe, host, made, _covered(probe, host, context))]


def _fault(error: Exception) -> FarswitchError:
    message = f"{type(error).__name__}: {error}"
    return FarswitchError(message, hint="The log file has the traceback.")


def _gather(runs: Sequence[_Run], context: Context, observe: Callable[[Round], Outcomes]) -> None:
    """Make the next observations of all runs, those of one host in one chain."""
    chains: defaultdict[str, list[tuple[int, Callable[[Task], object]]]] = defaultdict(list)
    for number, run in enumerate(runs):
        for where, look in (run.gather or {}).items():
            for host in context.on(where):
                if not _lost(host, context):
                    chains[host].append((number, _bound(look, context)))
    round_ = {host: [look for _, look in chain] for host, chain in chains.items()}
    outcomes = observe(round_) if round_ else {}
    observed: list[dict[str, object]] = [{} for _ in runs]
    for host, chain in chains.items():
        for (number, _), outcome in zip(chain, outcomes[host], strict=True):
            observed[number][host] = outcome
    for run, by_host in zip(runs, observed, strict=True):
        run.advance(by_host)


def _bound(observe: Observe, context: Context) -> Callable[[Task], object]:
    return lambda task: observe(task, context)


def reason_to_skip(probe: Probe, context: Context, *, dry: bool) -> str:
    """Return why a probe is run on no host; empty when it is run."""
    if dry and probe.writes:
        return "it writes, and this is a dry run"
    if failed := context.evidence.failed(probe.needs):
        return f"'{failed.name}' of '{failed.host}' failed"
    return ""


def fallen(probe: Probe, host: str, made: Iterable[Check], error: FarswitchError) -> list[Check]:
    """Return what an error leaves of a probe: a failure for each check that has none yet.

    What passed so far may have more to judge, so only failures are final.
    """
    failed = {check.name for check in made if check.ok is False}
    return [
        _unmade(probe, name, host, str(error), error.hint)
        for name in probe.checks
        if name not in failed
    ]


def missing(
    probe: Probe, host: str, made: Sequence[Check], guests: Sequence[str]
) -> Iterator[Check]:
    """Yield a failure for each check that a probe left out, though it came to its end.

    A skip counts for its own host alone: every other one still has to have a verdict.
    """
    there = {(check.name, check.host) for check in made}
    judged = {check.name for check in made if check.ok is not None or check.host == host}
    for name in probe.checks:
        if name in probe.each:
            where = [guest for guest in guests if (name, guest) not in there]
        else:
            where = [] if name in judged else [host]
        yield from (_unmade(probe, name, left_out, UNYIELDED, "") for left_out in where)


def _lost(host: str, context: Context) -> str:
    why = context.evidence.lost.get(host)
    return f"'{host}' cannot be logged in to ({why})" if why else ""


def _unasked(check: Check, probe: Probe, context: Context) -> bool:
    """Whether a check is reported unasked: it failed, and others are left out because of it."""
    return check.ok is False and (bool(probe.vital) or check.host in context.evidence.lost)


def _covered(probe: Probe, host: str, context: Context) -> list[str]:
    """Return the guests that a probe covers: those of its hypervisor, or all."""
    cluster = context.cluster
    here = cluster.guests_of(host) if probe.on == "hypervisors" else cluster.guests
    return [guest.name for guest in here]


def _unmade(probe: Probe, name: str, host: str, why: str, hint: str) -> Check:
    expected = probe.checks[name]
    return Check(name, host, ok=False, measured=f"not probed: {why}", expected=expected, fix=hint)
