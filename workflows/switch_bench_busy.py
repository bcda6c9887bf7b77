"""Whether the cluster has something to do, beside which `switch bench` is refused."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Event

from farswitch.connections.access import netlink, shell
from farswitch.connections.netlink.links import dump
from farswitch.deadline import Deadline
from farswitch.errors import FarswitchError
from farswitch.lock.agent import held_by
from farswitch.proof.fan_out import each
from farswitch.run.session import Session
from farswitch.status.observed import ServerLook
from farswitch.switch_bench.busy import SECONDS as BETWEEN
from farswitch.switch_bench.busy import busy_ports, mpi_processes, packets
from workflows.switch_use import running


def refuse_busy(session: Session, looks: Mapping[str, ServerLook]) -> None:
    """Refuse to measure beside a job, or beside another run on the cluster.

    Raises:
        FarswitchError: There is one; nothing was touched.
    """
    cluster, hosts = session.cluster, session.nornir.inventory.hosts
    hint = "Run it when the cluster has nothing to do. Nothing was touched."
    for holder in held_by(shell(session.head_host)):
        if holder.cluster == cluster.name:
            raise FarswitchError(f"The cluster is worked on at the same time: {holder}.", hint=hint)
    if session.record is None:
        return
    guests = running(session, looks)
    said_by = each([one.name for one in guests], lambda name: mpi_processes(shell(hosts[name])))
    for name, said in said_by.items():
        if isinstance(said, FarswitchError):
            session.note(f"Whether a job runs on '{name}' is not known: {said}")
        elif said:
            raise FarswitchError(
                f"An MPI job runs on '{name}' ({said[0]}), and the bench would disturb it.",
                hint=hint,
            )
    first = looks[cluster.switch.name]
    before = packets(cluster, first.links)
    Deadline(first.at + BETWEEN - time.monotonic()).wait(Event())
    with netlink(hosts[cluster.switch.name]).session() as ipr:
        links, at = dump(ipr), time.monotonic()
    if busy := busy_ports(before, packets(cluster, links), at - first.at):
        name, rate = max(busy.items(), key=lambda one: one[1])
        raise FarswitchError(
            f"There is traffic on the cluster: {rate:.0f} packets a second at the port of "
            f"'{name}', and the bench would disturb it.",
            hint=hint,
        )
