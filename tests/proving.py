"""Probes of verify on hosts that a test made: a chain of observations each, side by side."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

from nornir.core.task import Task

from farswitch.errors import FarswitchError
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe
from farswitch.proof.prove import Outcomes, Round, prove
from tasks.verify import verify


def checks_of(
    context: Context, *probes: Probe, chosen: Collection[str] | None = None, dry: bool = False
) -> list[Check]:
    """Return the verdicts of probes; a host that the test did not make cannot be asked."""

    def chain(host: str, observations: Any) -> Any:
        if host not in context.hosts:
            return [FarswitchError(f"There is no '{host}'.") for _ in observations]
        task = Task(
            verify, cast("Any", SimpleNamespace(config=None)), cast("Any", dry), cast("Any", None)
        )
        task.host = context.hosts[host]
        return verify(task, observations).result

    def observe(observations: Round) -> Outcomes:
        with ThreadPoolExecutor(len(observations)) as pool:
            found = pool.map(chain, observations, observations.values())
            return dict(zip(observations, found, strict=True))

    names = {name for probe in probes for name in probe.checks}
    return prove(probes, context, observe, chosen=names if chosen is None else chosen, dry=dry)
