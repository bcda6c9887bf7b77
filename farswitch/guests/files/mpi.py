"""MPICH's settings on a guest: interfaces, port ranges, the hostfile and our own programs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from farswitch.guests.files.render_once import render_once
from farswitch.image.root_tree import FINALIZE
from farswitch.model.cluster import Cluster
from farswitch.model.field_types import PortRange
from farswitch.model.guest_file import File
from farswitch.model.machines import DATA_NIC
from farswitch.model.owner import Owner
from farswitch.remote import source

HOSTFILE = "/etc/farswitch/hostfile"
PROGRAMS = "/usr/local/lib/farswitch"
RING = f"{PROGRAMS}/ring.py"
SSHD = "/etc/ssh/sshd_config.d/farswitch.conf"
PROFILE = "/etc/profile.d/farswitch.sh"
DEVICE = "ch4:ucx"
"""What the MPICH of Debian 12, Ubuntu 22.04 and our image was built with."""
CH3_PORTS = "MPIR_CVAR_CH3_PORT_RANGE"


@dataclass(frozen=True, slots=True)
class MpiSettings:
    """What MPICH is told on every guest.

    Attributes:
        hosts: The guests' data addresses, in the order of the hostfile.
        launcher_ports: TCP ports of mpiexec and its proxies.
        payload_ports: TCP ports of the messages between ranks.
    """

    hosts: tuple[IPv4Address, ...]
    launcher_ports: PortRange
    payload_ports: PortRange


def wanted_mpi(cluster: Cluster) -> MpiSettings:
    """Return the settings of the cluster's guests."""
    ports = cluster.settings.mpi
    hosts = tuple(guest.data_address.ip for guest in cluster.guests)
    return MpiSettings(hosts, ports.launcher_ports, ports.payload_ports)


def pins(payload: PortRange) -> dict[str, dict[str, str]]:
    """Return for each device of MPICH the variables that pin its payload to the data NIC."""
    low, high = payload.first, payload.last
    return {
        "ch4:ucx": {
            "UCX_NET_DEVICES": DATA_NIC,
            "UCX_TLS": "tcp,self,sm",
            "UCX_TCP_PORT_RANGE": f"{low}-{high}",
        },
        "ch4:ofi": {
            "FI_PROVIDER": "tcp",
            "FI_TCP_IFACE": DATA_NIC,
            "FI_TCP_PORT_LOW_RANGE": str(low),
            "FI_TCP_PORT_HIGH_RANGE": str(high),
        },
        "ch3": {
            "MPIR_CVAR_NEMESIS_TCP_NETWORK_IFACE": DATA_NIC,
            CH3_PORTS: f"{low}:{high}",
        },
    }


def environment(
    settings: MpiSettings, *, finalize: bool, built_with: str = DEVICE
) -> dict[str, str]:
    """Return the variables of every session: the launcher's, and the pins of each known device.

    A device ignores the variables of the others. One of ch3 steers the launcher too, and beats
    its own range (measured with MPICH 4.0): only where MPICH is ch3 it is set. A seed does not
    know which device the image's MPICH was `built_with`, and takes the usual. `finalize`: the image
    has the library that lets jobs of older MPICH end.
    """
    ports = settings.launcher_ports
    variables = {
        "MPIEXEC_PORT_RANGE": f"{ports.first}:{ports.last}",
        "HYDRA_HOST_FILE": HOSTFILE,
    }
    for pin in pins(settings.payload_ports).values():
        variables |= pin
    if not built_with.startswith("ch3"):
        del variables[CH3_PORTS]
    if finalize:
        variables["LD_PRELOAD"] = FINALIZE
    return variables


def mpi_files(
    settings: MpiSettings, owner: Owner, *, finalize: bool, built_with: str = DEVICE
) -> tuple[File, ...]:
    """Return the files that every guest gets; see `environment`."""
    variables = environment(settings, finalize=finalize, built_with=built_with)
    session = "SetEnv " + " ".join(f"{name}={value}" for name, value in variables.items())
    profile = "\n".join(f"export {name}={value}" for name, value in variables.items())
    return (
        File.marked(SSHD, owner.mark, session),
        File.marked(PROFILE, owner.mark, profile),
        *_steady_files(settings.hosts, owner),
    )


@render_once
def _steady_files(hosts: tuple[IPv4Address, ...], owner: Owner) -> tuple[File, ...]:
    """Return those of the files that do not depend on the image."""
    hostfile = File.marked(HOSTFILE, owner.mark, "\n".join(map(str, hosts)))
    return (hostfile, _program(RING))


def _program(path: str) -> File:
    text = source(f"mpi_{PurePosixPath(path).stem}")
    return File(path, text.encode(), mode=0o644, owner="root:root")


def device(text: str) -> str:
    """Return the device that `mpichversion` names, as in `ch4:ucx`; empty if it names none."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower().endswith("device"):
            return value.strip()
    return ""
