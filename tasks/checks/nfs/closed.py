"""Is the share closed to addresses outside the data network? The table is read, and one tried."""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.guests.files.nfs import wanted_share
from farswitch.guests.nfs_exports import Table, parse, strangers
from farswitch.model.cluster import Cluster
from farswitch.pace import whole
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.remote import shell_command

SECONDS, ANSWER = 10, 30
"""Seconds for the mount, and tenths of a second for one answer of the head (timeo of nfs(5))."""
REFUSALS = ("access denied", "No such file", "Operation not permitted", "Permission denied")
"""What mount.nfs4 says where the server answers and does not let it in."""


def judge(cluster: Cluster, table: Table, status: int | None, message: str, fix: str) -> Check:
    """Return the verdict: only the data network in the table, and a mount from elsewhere refused.

    `status` is of the mount from the management network; None where it was not tried.
    """
    settings, address = cluster.settings, cluster.head.management_address.ip
    network = str(settings.data_network)
    wrong = strangers(wanted_share(cluster, cluster.head), table)
    if not table.exports:
        wrong.append("not proved: the head's export table is empty, or could not be read")
    if status == 0:
        wrong.append(f"{address} could mount {settings.share}")
    elif status is None or not any(sign in message for sign in REFUSALS):
        wrong.append(f"not proved: a mount from {address} ended with '{message or 'no answer'}'")
    return Check(
        "nfs.closed",
        cluster.head.name,
        ok=not wrong,
        measured=", ".join(wrong) or f"{address} was refused: {message}",
        expected=f"exported to {network} alone, a mount from {address} refused",
        cause="Somebody exported the folder, or one above it, to more than the data network: "
        "/etc/exports and /etc/exports.d on the head, or exportfs by hand.",
        fix=fix,
    )


def observe(task: Task, context: Context) -> str:
    """Read the table on the head, and try a mount."""
    cluster = context.cluster
    address = str(cluster.head.management_address.ip)
    argv = shell_command(
        "nfs_try", address, cluster.settings.share, str(whole(SECONDS)), str(whole(ANSWER))
    )
    return shell(task).run(argv, timeout=2 * SECONDS + 10, check=False).stdout


def verdicts(context: Context, _host: str, text: str) -> Iterator[Check]:
    """Yield the verdict."""
    tried = next((line for line in text.splitlines() if line.startswith("tried ")), "")
    _, status, message = f"{tried}  ".split(" ", 2)
    ended = int(status) if status.isdecimal() else None
    yield judge(context.cluster, parse(text), ended, message.strip(), context.rebuild)


PROBE = Probe(
    "head",
    {"nfs.closed": "The share cannot be mounted from outside the data network."},
    of_each("head", observe, verdicts),
    writes=True,
)
