"""The Nornir task that runs one probe on one host: no check is ever missing, none passes unmade."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence

from nornir.core.task import Result, Task

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.proof.check import Check, skipped
from farswitch.proof.probe import Probe, Scene

LOGGER = logging.getLogger("farswitch")
UNYIELDED = "the probe ended without a verdict"


def fallen(probe: Probe, host: str, found: Iterable[Check], why: str, hint: str) -> list[Check]:
    """Return what an error leaves of a probe: a failure for each check that has none yet.

    What passed so far may have more to judge, so only failures are final.

    Args:
        probe: What was run.
        host: Where.
        found: What it yielded.
        why: What ended it.
        hint: What to do about that.
    """
    failed = {check.name for check in found if check.ok is False}
    return [_unmade(probe, name, host, why, hint) for name in probe.checks if name not in failed]


def missing(
    probe: Probe, host: str, found: Sequence[Check], guests: Sequence[str]
) -> Iterator[Check]:
    """Yield a failure for each check that a probe left out, though it came to its end.

    A skip counts for its own host alone: every other one still has to have a verdict.

    Args:
        probe: What was run.
        host: Where.
        found: What it yielded.
        guests: The names of the guests that it covers.
    """
    told = {(check.name, check.host) for check in found}
    judged = {check.name for check in found if check.ok is not None or check.host == host}
    for name in probe.checks:
        if name in probe.each:
            where = [guest for guest in guests if (name, guest) not in told]
        else:
            where = [] if name in judged else [host]
        yield from (_unmade(probe, name, one, UNYIELDED, "") for one in where)


def reason_to_skip(probe: Probe, host: str, scene: Scene, *, dry: bool) -> str:
    """Return why a probe is not run on a host; empty when it is."""
    if dry and probe.writes:
        return "it writes, and this is a dry run"
    if why := scene.findings.lost.get(host):
        return f"'{host}' cannot be logged in to ({why})"
    if failed := scene.findings.failed(probe.needs):
        return f"'{failed.name}' of '{failed.host}' failed"
    return ""


def verify(task: Task, probe: Probe, scene: Scene, chosen: Collection[str]) -> Result:
    """Run a probe on one host.

    Args:
        task: Runs on the host.
        probe: What is measured.
        scene: What it may use.
        chosen: The names of the checks that were asked for; others are measured but not told.
    """
    host = task.host.name
    if why := reason_to_skip(probe, host, scene, dry=task.is_dry_run()):
        found = [skipped(name, host, why, said) for name, said in probe.checks.items()]
    else:
        found = _run(task, probe, scene)
    kept = [one for one in found if one.name in chosen or _tells(one, probe, scene)]
    scene.findings.add(kept)
    return Result(host=task.host, checks=kept)


def _tells(check: Check, probe: Probe, scene: Scene) -> bool:
    """Whether a check is told unasked: it failed, and others are left out because of it."""
    return check.ok is False and (bool(probe.vital) or check.host in scene.findings.lost)


def _run(task: Task, probe: Probe, scene: Scene) -> list[Check]:
    host = task.host.name
    found: list[Check] = []
    try:
        found.extend(probe.run(task, scene))
    except ConnectionLostError as error:
        if error.host in scene.hosts:
            scene.findings.lose(error.host, error.cause)
        found += fallen(probe, host, found, str(error), error.hint)
    except FarswitchError as error:
        found += fallen(probe, host, found, str(error), error.hint)
    except Exception as error:  # a fault of ours is no reason to miss a check
        LOGGER.exception("A probe of '%s'", probe.family)
        said, hint = f"{type(error).__name__}: {error}", "The log file has the traceback."
        found += fallen(probe, host, found, said, hint)
    else:
        found += list(missing(probe, host, found, _covered(probe, host, scene)))
    return found


def _covered(probe: Probe, host: str, scene: Scene) -> list[str]:
    """Return the guests that a probe covers: those of its hypervisor, or all."""
    cluster = scene.cluster
    here = cluster.guests_of(host) if probe.on == "hypervisors" else cluster.guests
    return [guest.name for guest in here]


def _unmade(probe: Probe, name: str, host: str, why: str, hint: str) -> Check:
    expected = probe.checks[name]
    return Check(name, host, ok=False, measured=f"not probed: {why}", expected=expected, fix=hint)
