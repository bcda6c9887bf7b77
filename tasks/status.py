"""What stands of a cluster on a server: one look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from nornir.core.task import Result, Task

from farswitch.connections.access import libvirt, netlink, shell
from farswitch.connections.netlink.links import dump
from farswitch.connections.netlink.routes import route_to
from farswitch.errors import FarswitchError
from farswitch.links.underlay import judge
from farswitch.model.machines import Server
from farswitch.model.owner import Owner
from farswitch.model.switch import Switch
from farswitch.remote import shell_command
from farswitch.status.observed import ServerLook, domain_processes


def status(
    task: Task,
    server: Server,
    peers: Sequence[Server],
    *,
    owner: Owner | None = None,
    adapter: Switch | None = None,
) -> Result:
    """Read a server's interfaces with their counters, and what its virtual machines use.

    Args:
        task: Nornir's task on a server.
        server: As the site has it.
        peers: The servers that its tunnels lead to.
        owner: Whose switch is looked at.
        adapter: The kind of that switch; None where there is none, or its ports say it all.

    Returns:
        A result whose `result` is a `ServerLook`.
    """
    with ThreadPoolExecutor(1) as aside:
        runs_guests = server.role == "hypervisor"
        states = aside.submit(lambda: libvirt(task).states()) if runs_guests else None
        with netlink(task).session() as ipr:
            links, at = dump(ipr), time.monotonic()
            routes = [(peer, route_to(ipr, peer.underlay, server.underlay)) for peer in peers]
        try:
            look = ServerLook(judge(server, links, routes), links, at)
        except FarswitchError as error:
            look = ServerLook(error, links, at)
        if adapter and owner:
            look = replace(look, switch=adapter.observe(task.host, owner))
        if states:
            printed = shell(task).run(shell_command("domain_processes")).stdout
            processes = domain_processes(printed)
            look = replace(look, states=states.result(), processes=processes)
    return Result(host=task.host, result=look)
