"""Stages: which steps run on which hosts, one after the other on a host, hosts side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nornir.core import Nornir
from nornir.core.inventory import Host
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

Filter = Callable[[Host], bool]


@dataclass(frozen=True, slots=True)
class PerHost:
    """An argument that differs from host to host."""

    of: Callable[[Host], Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A task with its arguments; its name is the row's in the table."""

    task: Callable[..., Result]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that run as one chain a host. A vital stage's failure ends the run.

    `together` runs all hosts at once, however few workers there are: they wait for each other.
    """

    on: Filter
    steps: tuple[Step, ...]
    vital: bool = True
    together: bool = False


def step(task: Callable[..., Result], name: str = "", **arguments: Any) -> Step:
    """Return the task with its arguments, to be run later.

    The name is the row in the table. An argument that is a `PerHost` is asked for each host's own.
    """
    return Step(task, arguments, name or task.__name__)


def after(stages: Iterable[Stage], name: str, *own: Stage) -> Iterator[Stage]:
    """Yield the stages of a workflow, and stages of one's own after the one with a step.

    The step must be one of theirs, if the run comes to their end.

    Raises:
        LookupError: No stage has that step.
    """
    found = False
    for stage in stages:
        yield stage
        if not found and name in {step.name for step in stage.steps}:
            found = True
            yield from own
    if not found:
        raise LookupError(f"No stage has a step '{name}'.")


def servers(host: Host) -> bool:
    """Whether the host is a physical machine."""
    return host.has_parent_group("hypervisor") or host.has_parent_group("switch")


def hypervisors(host: Host) -> bool:
    """Whether the host runs guests."""
    return host.has_parent_group("hypervisor")


def is_switch(host: Host) -> bool:
    """Whether the host carries the switch."""
    return host.has_parent_group("switch")


def guests(host: Host) -> bool:
    """Whether the host is a virtual machine."""
    return host.has_parent_group("guest")


def resolve(arguments: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Return a step's arguments for one host."""
    return {
        name: value.of(host) if isinstance(value, PerHost) else value
        for name, value in arguments.items()
    }


def chain(task: Task, steps: tuple[Step, ...]) -> Result:
    """Run the steps on one host; the first that fails ends the host's chain."""
    for part in steps:
        task.run(part.task, name=part.name, **resolve(part.arguments, task.host))
    return Result(host=task.host)


class StepsAhead:
    """Which steps of a stage some host has still to do."""

    def __init__(self, steps: Sequence[str] = (), hosts: Iterable[str] = ()) -> None:
        self._steps = steps
        self._done = dict.fromkeys(hosts, 0)

    def ended(self, host: str, *, failed: bool) -> None:
        """Count a step of a host; one that failed does no more of them."""
        self._done[host] = len(self._steps) if failed else self._done.get(host, 0) + 1

    def names(self) -> set[str]:
        """Return the names of the steps that are not over."""
        return set(self._steps[min(self._done.values(), default=len(self._steps)) :])


def run_stages(nornir: Nornir, stages: Iterable[Stage], *, on_failed: bool = False) -> bool:
    """Run the stages in order; return whether every vital one ended well.

    The iterable is asked for a stage only when the one before has ended, so that a generator can
    use what earlier stages returned. With `on_failed`, for teardown, hosts that failed before are
    included and nothing stops.
    """
    for stage in stages:
        failed = set() if on_failed else nornir.data.failed_hosts
        chosen = nornir.filter(filter_func=_all_of(stage.on, failed))
        if not chosen.inventory.hosts:
            continue
        if stage.together:
            chosen = chosen.with_runner(ThreadedRunner(max(1, len(chosen.inventory.hosts))))
        result = chosen.run(chain, name="chain", steps=stage.steps, on_failed=on_failed)
        if result.failed and stage.vital and not on_failed:
            return False
    return True


def _all_of(on: Filter, but: Collection[str]) -> Filter:
    return lambda host: on(host) and host.name not in but
