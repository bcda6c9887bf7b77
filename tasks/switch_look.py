"""What stands of a server's switch: one look, which changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nornir.core.task import Result, Task

from farswitch.model.owner import Owner
from farswitch.model.switch import ObservedSwitch, Switch


@dataclass(frozen=True, slots=True)
class SwitchLook:
    """A switch as it stands; `places` has the device of each address, None where it cannot say."""

    observed: ObservedSwitch
    places: Mapping[str, str] | None


def switch_look(task: Task, adapter: Switch, owner: Owner) -> Result:
    """Look at an owner's switch.

    Args:
        task: The Nornir task of the server.
        adapter: The kind of switch, with its settings.
        owner: Whose switch is meant.

    Returns:
        A result whose `result` is a `SwitchLook`.
    """
    observed = adapter.look(task.host, owner)
    places = None
    if adapter.traits.places and not observed.state.fault:
        places = adapter.places(task.host, owner)
    return Result(task.host, result=SwitchLook(observed, places))
