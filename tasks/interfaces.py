"""A server's interfaces, with their MTU and what they take off its kernel."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.links import offloads
from farswitch.remote import command


def interfaces(task: Task) -> Result:
    """Read MTU and offloads of each interface of a server.

    Args:
        task: Nornir's task on a server.

    Returns:
        A result whose `result` is a tuple of `InterfaceFacts`.
    """
    printed = shell(task).run(command("interfaces")).stdout
    return Result(host=task.host, result=offloads.interfaces(printed))
