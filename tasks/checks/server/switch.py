"""Is the switch alive, and does it hold each guest's port?"""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Task

from farswitch.model.switch import ObservedSwitch, SwitchState
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each

NAME = "server.switch"
LET_GO = "Somebody took the port away from it, or made the interface anew since it was started."
ENDED = "It ended by itself, or somebody ended it: it is not started again without a build."


def judge(
    server: str, kind: str, devices: dict[str, str], state: SwitchState, rebuild: str
) -> Iterator[Check]:
    """Yield the verdict on the switch.

    `devices` are those that it should hold, each with its guest.
    """
    loose = [
        f"{device} of {guest}" for device, guest in devices.items() if device not in state.held
    ]
    missing = f"it does not hold {', '.join(loose)}" if loose else f"it holds {len(devices)} ports"
    yield Check(
        name=NAME,
        host=server,
        ok=not state.fault and not loose,
        measured=f"{kind}: {state.fault or missing}",
        expected=f"{kind}: alive, with the ports of all {len(devices)} guests",
        cause=ENDED if state.fault else LET_GO,
        fix=rebuild,
    )


def observe(task: Task, context: Context) -> ObservedSwitch:
    """Ask the adapter."""
    return context.cluster.settings.switch.look(task.host, context.cluster.owner)


def verdicts(context: Context, server: str, found: ObservedSwitch) -> Iterator[Check]:
    """Yield the verdict."""
    cluster = context.cluster
    devices = {port.device: port.guest for port in cluster.switch_ports(context.mtu)}
    yield from judge(server, cluster.settings.switch.kind, devices, found.state, context.rebuild)


PROBE = Probe(
    "switch",
    {NAME: "The switch is alive, and holds the port of each guest."},
    of_each("switch", observe, verdicts),
)
