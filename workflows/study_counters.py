"""What the machines of a study have counted: load of the servers, bytes at ports, TCP of guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nornir.core.inventory import Host

from farswitch.model.machines import Guest
from farswitch.model.node_names import fold
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, is_switch, servers, step
from farswitch.study.host_state import HostState, port_traffic
from farswitch.study.results import PortTraffic
from tasks.host_state import host_state

States = Mapping[str, HostState]
"""By host."""


def states(session: Session, guests: Sequence[Guest], seconds: float = 0.0) -> dict[str, HostState]:
    """Return the states of both servers and some guests; the servers are watched meanwhile."""
    names, tunnels = {guest.name for guest in guests}, [guest.tunnel for guest in guests]

    def on(host: Host) -> bool:
        return servers(host) or host.name in names

    one = step(
        host_state,
        interfaces=PerHost(lambda host: tunnels if is_switch(host) else ()),
        seconds=PerHost(lambda host: seconds if servers(host) else 0.0),
    )
    results = session.recorder.results
    for key in [key for key in results if key[0] == one.name]:  # of an earlier look
        del results[key]
    session.run([Stage(on, (one,), vital=False)])
    return {host: state for (name, host), state in results.items() if name == one.name}


def port_counts(
    session: Session, guests: Sequence[Guest], before: States, after: States
) -> dict[str, PortTraffic]:
    """Return what the guests' ports of the switch counted."""
    switch = session.cluster.switch.name
    if switch not in before or switch not in after:
        return {}
    ports = {guest.name: guest.tunnel for guest in guests}
    return port_traffic(before[switch], after[switch], ports)


def uncounted(session: Session, guests: Sequence[Guest], ports: Mapping[str, PortTraffic]) -> str:
    """Return why it cannot be known what crossed the switch; else nothing."""
    if missing := [guest.name for guest in guests if guest.name not in ports]:
        why = "; ".join(one.error for one in session.recorder.failures)
        return f"What crossed the ports of {fold(missing)} was not counted. {why}".rstrip()
    return ""
