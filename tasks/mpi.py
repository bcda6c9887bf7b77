"""MPICH, pinned to the data NIC and to its port ranges, whatever device it was built with.

Unpinned, UCX spreads payload over all NICs: half of it goes past the switch while everything seems
to work. sshd hands the variables to every session, so they hold for people, for scripts and for
the processes that the launcher starts.
"""

from __future__ import annotations

from importlib import resources

from nornir.core.task import Result, Task

from connections.access import shell
from connections.command import Shell
from image.seed import File
from image.tree import FINALIZE
from inventory.errors import FarswitchError
from inventory.hosts import guest_of
from inventory.model import DATA_NIC, Cluster, Settings
from tasks import sshd
from tasks.files import apply, observe, plan, render

HOSTFILE = "/etc/farswitch/hostfile"
PROGRAMS = "/usr/local/lib/farswitch"
RING, LADDER = f"{PROGRAMS}/ring.py", f"{PROGRAMS}/ladder.py"
SSHD = "/etc/ssh/sshd_config.d/farswitch.conf"
PROFILE = "/etc/profile.d/farswitch.sh"
DEVICE = "ch4:ucx"
"""What the MPICH of Debian 12, Ubuntu 22.04 and our image was built with."""
CH3_PORTS = "MPIR_CVAR_CH3_PORT_RANGE"
_PROBE = 'mpichversion || exit; [ ! -e "$1" ] || echo "finalize: yes"'


def pins(settings: Settings) -> dict[str, dict[str, str]]:
    """Return for each device of MPICH the variables that pin its payload to the data NIC."""
    low, high = settings.payload_ports.first, settings.payload_ports.last
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


def environment(settings: Settings, *, finalize: bool, built_with: str = DEVICE) -> dict[str, str]:
    """Return the variables of every session: the launcher's, and the pins of each known device.

    A device ignores the variables of the others. One of ch3 steers the launcher too, and beats
    its own range (measured with MPICH 4.0): only where MPICH is ch3 it is set.

    Args:
        settings: Of the cluster.
        built_with: The device of the image's MPICH; a seed does not know it and takes the usual.
        finalize: Whether the image has the library that lets jobs of older MPICH end.
    """
    ports = settings.launcher_ports
    variables = {
        "MPIEXEC_PORT_RANGE": f"{ports.first}:{ports.last}",
        "HYDRA_HOST_FILE": HOSTFILE,
    }
    for pin in pins(settings).values():
        variables |= pin
    if not built_with.startswith("ch3"):
        del variables[CH3_PORTS]
    if finalize:
        variables["LD_PRELOAD"] = FINALIZE
    return variables


def wanted(cluster: Cluster, *, finalize: bool, built_with: str = DEVICE) -> tuple[File, ...]:
    """Return the files that every guest gets; see `environment`."""
    variables = environment(cluster.settings, finalize=finalize, built_with=built_with)
    session = "SetEnv " + " ".join(f"{name}={value}" for name, value in variables.items())
    profile = "\n".join(f"export {name}={value}" for name, value in variables.items())
    hosts = "\n".join(str(guest.data_address.ip) for guest in cluster.guests)
    return (
        _root_file(SSHD, cluster, session),
        _root_file(PROFILE, cluster, profile),
        _root_file(HOSTFILE, cluster, hosts),
        *map(_program, (RING, LADDER)),
    )


def _root_file(path: str, cluster: Cluster, body: str) -> File:
    return File(path, f"# {cluster.mark}\n{body}\n".encode(), mode=0o644, owner="root:root")


def _program(path: str) -> File:
    source = resources.files("tasks.programs").joinpath(path.rpartition("/")[2])
    return File(path, source.read_bytes(), mode=0o644, owner="root:root")


def device(text: str) -> str:
    """Return the device that `mpichversion` names, as in `ch4:ucx`; empty if it names none."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower().endswith("device"):
            return value.strip()
    return ""


def mpi(
    task: Task, cluster: Cluster, *, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Converge MPICH's settings on one guest.

    Args:
        task: Runs on a guest.
        cluster: Whose guests are in the hostfile.
        present: False does nothing: a guest without its cluster is removed as a whole.
        dry_run: Only tell.

    Raises:
        FarswitchError: The guest has no MPICH, or one whose device we cannot pin.
    """
    if not present:
        return Result(host=task.host)
    login = shell(task)
    built_with, finalize = _check_mpich(login, guest_of(task.host).name, cluster.settings)
    want = wanted(cluster, finalize=finalize, built_with=built_with)
    changes = plan(observe(task, want), want)
    if not task.is_dry_run(dry_run):
        apply(login, changes)
        if any(change.file.path == SSHD for change in changes):
            sshd.reload(login)
    return Result(host=task.host, changed=bool(changes), diff=render(changes), result=len(changes))


def _check_mpich(login: Shell, guest: str, settings: Settings) -> tuple[str, bool]:
    """Return MPICH's device, and whether the image has the library that lets jobs end."""
    version = login.run(["sh", "-c", _PROBE, "mpi", FINALIZE], check=False)
    built_with = device(version.stdout)
    if version.status != 0 or not built_with:
        said = version.stderr.strip() or "mpichversion says nothing"
        raise FarswitchError(
            f"Guest '{guest}' has no MPICH: {said}.",
            hint="The image needs the package mpich.",
        )
    if not built_with.startswith(tuple(pins(settings))):
        raise FarswitchError(
            f"MPICH of guest '{guest}' was built with device '{built_with}', wanted one of "
            f"{', '.join(pins(settings))}: its payload cannot be pinned to the data NIC.",
            hint="Use an image with one of these.",
        )
    return built_with, "finalize: yes" in version.stdout
