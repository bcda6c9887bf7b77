"""What a probe of verify is: observations that Nornir makes, and the judgement of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from nornir.core.task import Task

from farswitch.errors import FarswitchError
from farswitch.proof.check import Check
from farswitch.proof.context import Context, Where

T = TypeVar("T")
Observe = Callable[[Task, Context], Any]
"""Reads something on one host; it may raise FarswitchError."""
Gather = Mapping[Where, Observe]
"""What is observed next, all at the same time; hosts that are lost are left alone."""
Observed = Mapping[str, T | FarswitchError]
"""By host: what was observed, or why it could not be."""
Proof = Generator[Gather, Observed[Any], Mapping[str, Iterable[Check]]]
"""Yields what to observe, is sent what was, and returns the verdicts by the probe's hosts."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A measurement with the judgements that follow from it: one subject, one file.

    Attributes:
        on: The hosts that have the verdicts.
        checks: The names of all checks that it yields, each with a sentence of what is proved.
        prove: Observes and judges. It may raise FarswitchError, as the verdicts of a host may: each
            check that has none yet has failed then.
        each: Those of the names that have a verdict, or a skip, for each guest by its name.
        guests: Whether it works with guests, though it runs elsewhere: those that do not answer
            are found out before.
        needs: Names or families of checks; where one failed, this probe is skipped.
        asked: Whether it runs only where its family is asked for, as the attacks do.
        writes: Whether it changes something that it puts back: a dry run leaves it out.
        together: Whether its hosts wait for each other, so that all have to be at work at once.
        vital: Whether it runs always, or wherever guests are worked with, as all others stand on
            it; unasked it reports failures only.
    """

    on: Where
    checks: Mapping[str, str]
    prove: Callable[[Context], Proof]
    each: frozenset[str] = frozenset()
    guests: bool = False
    needs: tuple[str, ...] = ()
    asked: bool = False
    writes: bool = False
    together: bool = False
    vital: Literal["", "always", "guests"] = ""

    @property
    def family(self) -> str:
        """The family of its first check."""
        return next(iter(self.checks)).partition(".")[0]

    @property
    def visits(self) -> bool:
        """Whether it works with guests."""
        return self.guests or self.on in {"guests", "head"}


def of_each(
    on: Where,
    observe: Callable[[Task, Context], T],
    judge: Callable[[Context, str, T], Iterable[Check]],
) -> Callable[[Context], Proof]:
    """Return the proof that observes once on each host, and judges each by itself."""

    def prove(context: Context) -> Proof:
        observed: Observed[T] = yield {on: observe}

        def verdicts(host: str) -> Iterable[Check]:
            yield from judge(context, host, sound(observed[host]))

        return {host: verdicts(host) for host in observed}

    return prove


def of_one(
    on: Where, run: Callable[[Task, Context], Iterable[Check]]
) -> Callable[[Context], Proof]:
    """Return the proof of a probe that works across hosts at one moment, steered by one of them.

    Args:
        on: The host that steers.
        run: Measures and yields the verdicts. What it yielded counts also where it raises then.
    """

    def observe(task: Task, context: Context) -> tuple[list[Check], FarswitchError | None]:
        checks: list[Check] = []
        try:
            checks.extend(run(task, context))
        except FarswitchError as error:
            return checks, error
        return checks, None

    def judge(
        _context: Context, _host: str, made: tuple[list[Check], FarswitchError | None]
    ) -> Iterable[Check]:
        checks, error = made
        yield from checks
        if error:
            raise error

    return of_each(on, observe, judge)


def of_all(names: Iterable[str], observed: Observed[T], context: Context) -> dict[str, T]:
    """Return what was observed on hosts that say nothing without each other.

    Raises:
        FarswitchError: One of them could not be observed, or was left alone.
    """
    names = tuple(names)
    for name in names:
        if name not in observed:
            raise FarswitchError(f"'{name}' could not be asked: {context.evidence.lost[name]}")
    return {name: sound(observed[name]) for name in names}


def attempt(call: Callable[[], T]) -> T | FarswitchError:
    """Return what a call gives, or the error that ended it: others of its host are made still."""
    try:
        return call()
    except FarswitchError as error:
        return error


def sound(outcome: T | FarswitchError) -> T:
    """Return what was observed.

    Raises:
        FarswitchError: It could not be.
    """
    if isinstance(outcome, FarswitchError):
        raise outcome
    return outcome
