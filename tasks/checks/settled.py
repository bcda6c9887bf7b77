"""Is a host still as the build left it? The build's own tasks say, in dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nornir.core.task import Result, Task

from inventory.errors import FarswitchError
from tasks.bridge import bridge
from tasks.check import Check
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.mtu import mtu
from tasks.preflight import facts_of
from tasks.probe import Probe, Scene, Where
from tasks.sysctl import sysctl
from tasks.vxlan import vxlan

AS_BUILT = "as built"
CAUSE = "Somebody or something changed it since the build."


def judge(name: str, host: str, diff: str, fix: str) -> Check:
    """Return the verdict on what a task would change; an empty diff means nothing."""
    found = diff.strip() or AS_BUILT
    same = found == AS_BUILT
    return Check(name, host, ok=same, measured=found, expected=AS_BUILT, cause=CAUSE, fix=fix)


def _settled(
    on: Where,
    name: str,
    proved: str,
    of: Callable[..., Result],
    arguments: Callable[[Task, Scene], dict[str, Any]],
) -> Probe:
    """Return the probe that asks a task of the build what it would change."""

    def run(task: Task, scene: Scene) -> Iterable[Check]:
        try:
            found = of(task, **arguments(task, scene), dry_run=True)
        except FarswitchError as error:
            yield Check(name, task.host.name, ok=False, measured=str(error), expected=AS_BUILT,
                        cause=CAUSE, fix=error.hint or scene.rebuild)  # fmt: skip
            raise
        diff = (found.diff or f"{found.result} changes") if found.changed else ""
        yield judge(name, task.host.name, diff, scene.rebuild)

    return Probe(on, {name: proved}, run, rank=20)


def _cluster(_task: Task, scene: Scene) -> dict[str, Any]:
    return {"cluster": scene.cluster}


def _device(task: Task, scene: Scene) -> dict[str, Any]:
    return {"cluster": scene.cluster, "device": facts_of(task.host).underlay.device}


def _size(_task: Task, scene: Scene) -> dict[str, Any]:
    return {"cluster": scene.cluster, "mtu": scene.mtu}


def _both(task: Task, scene: Scene) -> dict[str, Any]:
    return _device(task, scene) | _size(task, scene)


PROBES = (
    _settled("servers", "server.sysctl", "A build would change no sysctl.", sysctl, _cluster),
    _settled("servers", "server.guard", "The guard has all its rules.", guard, _device),
    _settled("servers", "server.firewall", "No firewall is in the way.", firewall_reset, _device),
    _settled("servers", "server.bridges", "A build would change no bridge.", bridge, _size),
    _settled("servers", "tunnel.ends", "A build would change no tunnel.", vxlan, _both),
    _settled("servers", "server.mtu", "A build would change no MTU there.", mtu, _size),
)
