"""Stages: which steps run on which hosts, one after the other on a host, hosts side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nornir.core import Nornir
from nornir.core.inventory import Host
from nornir.core.task import Result, Task

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
    """Steps that run as one chain a host. A vital stage's failure ends the run."""

    on: Filter
    steps: tuple[Step, ...]
    vital: bool = True


def step(task: Callable[..., Result], name: str = "", **arguments: Any) -> Step:
    """Return the task with its arguments, to be run later.

    Args:
        task: The Nornir task.
        name: The row in the table; the task's own name when not given.
        arguments: Passed to the task; a `PerHost` is asked for each host's own.
    """
    return Step(task, arguments, name or task.__name__)


def servers(host: Host) -> bool:
    """Whether the host is a physical machine."""
    return host.has_parent_group("hypervisor") or host.has_parent_group("switch")


def hypervisors(host: Host) -> bool:
    """Whether the host runs guests."""
    return host.has_parent_group("hypervisor")


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


def run_stages(nornir: Nornir, stages: Iterable[Stage], *, on_failed: bool = False) -> bool:
    """Run the stages in order.

    The iterable is asked for a stage only when the one before has ended, so that a generator can
    use what earlier stages found out.

    Args:
        nornir: Whose hosts and runner are used.
        stages: What to run.
        on_failed: Also run on hosts that failed before, and never stop: for teardown.

    Returns:
        Whether every vital stage ended well.
    """
    for stage in stages:
        chosen = nornir.filter(filter_func=stage.on)
        result = chosen.run(chain, name="chain", steps=stage.steps, on_failed=on_failed)
        if result.failed and stage.vital and not on_failed:
            return False
    return True
