"""What verify proves, and in which order. Each probe measures, and judges what it measured."""

from __future__ import annotations

from farswitch.proof.probe import Probe
from tasks.checks.attack import probe as attack
from tasks.checks.control import probe as control
from tasks.checks.guest import drift as guest_drift
from tasks.checks.guest import hosts_file, identity, network, pin
from tasks.checks.guest import login as guest_login
from tasks.checks.guest import queues as guest_queues
from tasks.checks.mpi import device, ladder
from tasks.checks.nfs import closed, mount, share
from tasks.checks.reach import probe as reach
from tasks.checks.server import (
    bridges,
    drift,
    firewall,
    guard,
    isolation,
    queues,
    ready,
    switch,
    sysctl,
)
from tasks.checks.ssh import login as ssh_login
from tasks.checks.tunnel import fdb
from tasks.checks.tunnel import probe as tunnel

SUITE: dict[str, tuple[Probe, ...]] = {
    "server": (
        ready.PROBE,
        bridges.PROBE,
        switch.PROBE,
        queues.PROBE,
        guard.PROBE,
        isolation.PROBE,
        sysctl.PROBE,
        firewall.PROBE,
        drift.PROBE,
    ),
    "tunnel": (tunnel.PROBE,),
    "guest": (
        guest_login.PROBE,
        fdb.PROBE,  # guests have to be there to speak
        identity.PROBE,
        network.PROBE,
        guest_queues.PROBE,
        hosts_file.PROBE,
        guest_drift.PROBE,
        pin.PROBE,
    ),
    "mtu": (reach.PROBE,),  # one visit of the guests measures mtu and reach
    "ssh": (ssh_login.PROBE,),
    "nfs": (mount.PROBE, share.PROBE, closed.PROBE),
    "mpi": (device.PROBE, ladder.PROBE),  # path too: the ladder's bytes are counted
    "attack": (attack.PROBE,),
    "control": (control.PROBE,),
}
"""The families in their order: what a failure explains comes after it."""


def probes() -> tuple[Probe, ...]:
    """Return every probe, in the order in which they run."""
    return tuple(probe for family in SUITE.values() for probe in family)
