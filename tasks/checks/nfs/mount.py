"""Is the share exported by the head to the data network, and mounted from there by the others?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.guests.files.nfs import MOUNTED_WITH, SERVER_UNIT, unit_name, wanted_share
from farswitch.guests.nfs_exports import LOOK, faults, parse
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.pace import whole
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.remote import shell_command

SECONDS = 15
"""For the first access, which mounts: 1 to 4 s under emulation. One whose head is gone hangs."""
_HEAD = f'echo "unit $(systemctl is-active "$2")"{LOOK}'


@dataclass(frozen=True, slots=True)
class Mount:
    """What another node says: its automount unit, the mount, and how the access ended (0: well)."""

    unit: str
    status: int
    message: str = ""
    source: str = ""
    kind: str = ""
    options: frozenset[str] = frozenset()


def parse_mount(text: str) -> Mount:
    """Read what the probe printed on another node."""
    message, status, unit, fields = "", 0, "", ["", "", ""]
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        if word == "unit":
            unit = value
        elif word == "status":
            status = int(value)
        elif word == "mount" and len(value.split()) == len(fields):
            fields = value.split()
        elif word != "access":
            message = line
    source, kind, options = fields
    return Mount(unit, status, message, source, kind, frozenset(options.split(",")))


def faults_of_head(cluster: Cluster, text: str) -> list[str]:
    """Return what is wrong with the head's side, in words, from what the probe printed there."""
    unit = next((line for line in text.splitlines() if line.startswith("unit ")), "unit ")[5:]
    wrong = [] if unit == "active" else [f"{SERVER_UNIT} is {unit or 'not there'}"]
    return wrong + faults(wanted_share(cluster, cluster.head), parse(text))


def faults_of_mount(cluster: Cluster, mount: Mount) -> list[str]:
    """Return what is wrong with the mount of another node, in words."""
    share, wrong = cluster.settings.share, []
    source = f"{cluster.head.data_address.ip}:{share}"
    if mount.unit != "active":
        unit = unit_name(share, "automount")
        wrong.append(f"{unit} is {mount.unit or 'not there'}")
    if mount.status:
        hangs = f"does not answer within {whole(SECONDS)} s"
        wrong.append(
            f"{share} {hangs if mount.status in {124, 137} else f'fails: {mount.message}'}"
        )
    if not mount.source:
        wrong.append(f"{share} is not mounted")
    elif mount.source != source:
        wrong.append(f"{share} is mounted from {mount.source}")
    elif (mount.kind, "vers=4.2" in mount.options) != ("nfs4", True):
        version = next(
            (option for option in mount.options if option.startswith("vers=")), "no version"
        )
        wrong.append(f"{share} is mounted as {mount.kind} {version}")
    elif missing := MOUNTED_WITH - mount.options:
        wrong.append(f"{share} is mounted without {', '.join(sorted(missing))}")
    return wrong


def judge(guest: Guest, wrong: Sequence[str], good: str, fix: str) -> Check:
    """Return the verdict on one node."""
    return Check(
        "nfs.mount",
        guest.name,
        ok=not wrong,
        measured=", ".join(wrong) or good,
        expected=good,
        cause="Somebody changed it, or its unit failed. Where nodes hang, look at the head first.",
        fix=fix,
    )


def observe(task: Task, context: Context) -> str:
    """Look at one node."""
    settings = context.cluster.settings
    if task.host.name == context.cluster.head.name:
        argv = ["sh", "-c", _HEAD, "export", settings.share, SERVER_UNIT]
        return shell(task).run(argv, check=False).stdout
    unit = unit_name(settings.share, "automount")
    argv = shell_command("nfs_mount", settings.share, unit, str(whole(SECONDS)))
    return shell(task).run(argv, timeout=SECONDS + 15, check=False).stdout


def verdicts(context: Context, host: str, text: str) -> Iterator[Check]:
    """Yield the verdict on one node."""
    cluster, guest = context.cluster, context.cluster.guest(host)
    settings = cluster.settings
    if guest == cluster.head:
        wrong = faults_of_head(cluster, text)
        good = f"{settings.share} is exported to {settings.data_network} with rw, root_squash"
        yield judge(guest, wrong, good, context.rebuild)
        return
    mount = parse_mount(text)
    good = f"{settings.share} is mounted from {cluster.head.data_address.ip} as nfs4 vers=4.2"
    yield judge(guest, faults_of_mount(cluster, mount), good, _fix(context, guest, mount))


def _fix(context: Context, guest: Guest, mount: Mount) -> str:
    """A build starts the unit and mends options; else what is mounted has to go first."""
    share = context.cluster.settings.share
    without = mount.source and mount.status == 0 and MOUNTED_WITH - mount.options
    if mount.unit != "active" or without:
        return context.rebuild
    unit, folder = shlex.quote(unit_name(share, "automount")), shlex.quote(share)
    line = f"umount -fl {folder}; systemctl reset-failed; systemctl restart {unit}"
    return context.command(guest.name, ["sh", "-c", line])


PROBE = Probe(
    "guests",
    {"nfs.mount": "The head exports the share, every other node has it mounted from there."},
    of_each("guests", observe, verdicts),
)
