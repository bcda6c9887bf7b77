"""Before MPI runs: which device was it built with, and which NIC will it use?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.guests.files.mpi import device, pins
from farswitch.guests.mpi_launch import as_user
from farswitch.model.machines import DATA_NIC, Guest
from farswitch.model.settings import Settings
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each

SECONDS = 30.0
_ASK = "mpichversion; echo ==; env"
"""What the cluster's user has in a session that came by ssh: so do the ranks on other nodes."""


def parse(text: str) -> tuple[str, dict[str, str]]:
    """Return MPICH's device and the session's variables."""
    version, _, variables = text.partition("==\n")
    pairs = (line.partition("=") for line in variables.splitlines())
    return device(version), {name: value for name, _, value in pairs}


def judge_device(guest: Guest, found: str, fix: str) -> Check:
    """Return the verdict on the device: one that can be pinned."""
    known = tuple(pins(guest.settings.mpi.payload_ports))
    return Check(
        name="mpi.device",
        host=guest.name,
        ok=found.startswith(known),
        measured=found or "mpichversion names none",
        expected=" or ".join(known),
        cause="The image's MPICH is missing, or was built for another network.",
        fix=fix,
    )


def judge_nic(guest: Guest, built_with: str, variables: Mapping[str, str], fix: str) -> Check:
    """Return the verdict on the variables that choose the NIC and the ports of this device."""
    wanted = pin(guest.settings, built_with)
    shown = ", ".join(f"{name}={variables.get(name, 'unset')}" for name in wanted)
    return Check(
        name="mpi.nic",
        host=guest.name,
        ok=bool(wanted) and all(variables.get(name) == value for name, value in wanted.items()),
        measured=shown or "no pins are known for this device",
        expected=", ".join(f"{name}={value}" for name, value in wanted.items()) or DATA_NIC,
        cause="Somebody's own setting of the session beats what sshd hands out, or it was changed.",
        fix=fix,
    )


def pin(settings: Settings, built_with: str) -> dict[str, str]:
    """Return the variables that pin MPICH with this device."""
    known = pins(settings.mpi.payload_ports)
    return next((known[name] for name in known if built_with.startswith(name)), {})


def observe(task: Task, context: Context) -> tuple[str, dict[str, str]]:
    """Ask MPICH and the environment of the cluster's user on one guest."""
    argv = as_user(context.cluster.settings, ["sh", "-c", _ASK])
    return parse(shell(task).run(argv, timeout=SECONDS).stdout)


def verdicts(
    context: Context, host: str, observed: tuple[str, Mapping[str, str]]
) -> Iterator[Check]:
    """Yield the verdicts on one guest."""
    guest, (built_with, variables) = context.cluster.guest(host), observed
    yield judge_device(guest, built_with, context.rebuild)
    yield judge_nic(guest, built_with, variables, context.rebuild)


PROBE = Probe(
    "guests",
    {
        "mpi.device": "MPICH was built with a device that can be pinned.",
        "mpi.nic": "The session's variables pin it to data0 and to the payload's ports.",
    },
    of_each("guests", observe, verdicts),
)
