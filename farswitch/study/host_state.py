"""What `host_state.py` reads of a host: load, counters of interfaces, TCP's retransmissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from farswitch.connections.shell.base import Shell
from farswitch.remote import command
from farswitch.study.results import HostLoad, PortTraffic

GATE_SECONDS = 1.0
"""For how long a host is watched before a run."""


class HostState(BaseModel):
    """A host at one moment; `traffic` has bytes received, bytes sent and packets dropped."""

    model_config = ConfigDict(frozen=True)

    traffic: dict[str, tuple[int, int, int]]
    retransmitted: int
    load: HostLoad | None = None


def host_state(login: Shell, interfaces: Sequence[str] = (), seconds: float = 0.0) -> HostState:
    """Read it; with `seconds`, watch the processors for so long first."""
    printed = login.run(command("host_state", f"{seconds:g}", *interfaces)).stdout
    return HostState.model_validate_json(printed)


def port_traffic(
    before: HostState, after: HostState, ports: Mapping[str, str]
) -> dict[str, PortTraffic]:
    """Return what the ports counted in between; `ports` has the interface of each guest."""
    found = {}
    for guest, port in ports.items():
        if port in before.traffic and port in after.traffic:
            grown = [
                new - old
                for old, new in zip(before.traffic[port], after.traffic[port], strict=True)
            ]
            received, sent, dropped = grown
            found[guest] = PortTraffic(received=received, sent=sent, dropped=dropped)
    return found
