"""What stands of a cluster on a server: one look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.routes import route_to
from farswitch.errors import FarswitchError
from farswitch.links.underlay import judge
from farswitch.model.machines import Server
from farswitch.remote import shell_command
from farswitch.status.observed import ServerLook


def status(task: Task, server: Server, peers: Sequence[Server]) -> Result:
    """Read a server's interfaces with their counters, and what its virtual machines use.

    Args:
        task: Nornir's task on a server.
        server: As the site has it.
        peers: The servers that its tunnels lead to.

    Returns:
        A result whose `result` is a `ServerLook`.
    """
    with netlink(task).session() as ipr:
        links, at = dump(ipr), time.monotonic()
        routes = [(peer, route_to(ipr, peer.underlay, server.underlay)) for peer in peers]
    try:
        look = ServerLook(judge(server, links, routes), links, at)
    except FarswitchError as error:
        look = ServerLook(error, links, at)
    if server.role == "hypervisor":
        printed = shell(task).run(shell_command("domain_uptimes")).stdout
        fields = (line.rpartition(" ") for line in printed.splitlines())
        uptimes = {name: int(seconds) for name, _, seconds in fields}
        look = replace(look, usages=libvirt(task).usages(), uptimes=uptimes)
    return Result(host=task.host, result=look)
