"""A local path for the time of a measurement: what a study calls for a cell without a switch."""

from __future__ import annotations

from dataclasses import replace

from farswitch.errors import ConfigError
from farswitch.firewall.guard_wanted import GuardWanted, wanted_guard
from farswitch.links.wanted import wanted_bridges
from farswitch.model.cluster import Cluster
from farswitch.model.links import Bridge
from farswitch.proof.check import Check
from farswitch.run.stages import Step, step
from tasks.bridge import bridge
from tasks.checks.path.counters import Counts
from tasks.guard import guard
from tasks.local_path import SECONDS, local_path


def local_steps(
    cluster: Cluster, device: str, size: int, *, seconds: int = SECONDS
) -> tuple[Step, ...]:
    """Return what joins all guests on one bridge of their hypervisor, where these steps run.

    Args:
        cluster: All of its guests are on one hypervisor, and run.
        device: The underlay's there.
        size: MTU of the data network, in bytes.
        seconds: When the server gives the taps back by itself.

    Raises:
        ConfigError: The guests are on several hypervisors: there is no local path.
    """
    _refuse_spread(cluster)
    return (
        step(guard, owner=cluster.owner, want=_guard(cluster, device, name_of(cluster))),
        step(
            bridge, bridges=(*_bridges(cluster, size), _local(cluster, size)), owner=cluster.owner
        ),
        step(
            local_path,
            taps=_taps(cluster),
            bridge=name_of(cluster),
            owner=cluster.owner,
            seconds=seconds,
        ),
    )


def remote_steps(cluster: Cluster, device: str, size: int) -> tuple[Step, ...]:
    """Return what gives each guest's tap back to its own bridge; twice is fine."""
    taps, owner = _taps(cluster), cluster.owner
    return (
        step(local_path, taps=taps, bridge=name_of(cluster), owner=owner, present=False),
        step(bridge, bridges=_bridges(cluster, size), owner=owner),
        step(guard, owner=owner, want=_guard(cluster, device)),
    )


def judge(cluster: Cluster, counted: Counts) -> Check:
    """Return the verdict on a local cell, from what the ports of the switch counted meanwhile."""
    crossed = sum(counted[guest.tunnel].total for guest in cluster.guests)
    return Check(
        name="path.local",
        host=cluster.switch.name,
        ok=crossed == 0,
        measured=f"{crossed:,} B crossed the switch",
        expected="0 B crossed the switch",
        cause="A guest's tap is not on the local bridge, or the server gave it back meanwhile.",
        fix="farswitch build",
    )


def name_of(cluster: Cluster) -> str:
    """Return the name of the bridge for all guests."""
    return f"fsl{cluster.owner.vni_base}"


def _refuse_spread(cluster: Cluster) -> None:
    homes = sorted({guest.hypervisor for guest in cluster.guests})
    if len(homes) > 1:
        raise ConfigError(
            f"The guests are on {', '.join(homes)}: there is no local path between them.",
            hint="Take 'local' out of the study, or put all guests on one hypervisor.",
        )


def _taps(cluster: Cluster) -> dict[str, str]:
    return {guest.data_tap: guest.bridge for guest in cluster.guests}


def _bridges(cluster: Cluster, size: int) -> tuple[Bridge, ...]:
    return wanted_bridges(cluster, cluster.server(cluster.head.hypervisor), mtu=size)


def _local(cluster: Cluster, size: int) -> Bridge:
    return Bridge(name_of(cluster), mtu=size)


def _guard(cluster: Cluster, device: str, *more: str) -> GuardWanted:
    want = wanted_guard(cluster, cluster.server(cluster.head.hypervisor), device)
    return replace(want, bridges=(*want.bridges, *more))
