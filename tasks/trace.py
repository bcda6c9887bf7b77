"""Send marked frames from one guest to another, and count them on both servers and the other."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.model.machines import DATA_NIC, Guest
from farswitch.proof.frame_counts import TOKEN_BYTES, SendPlan, count_frames
from farswitch.trace.frame import TracedFrames
from farswitch.trace.hops import Trace, TraceHop, counted


def trace(
    task: Task,
    frames: TracedFrames,
    way: Sequence[TraceHop],
    hosts: Mapping[str, Host],
    *,
    sender: Guest,
    receiver: Guest,
) -> Result:
    """Send frames from one guest to another, and count them at each hop.

    Args:
        task: Nornir's task, on one host for all.
        frames: What is sent.
        way: The hops, as `farswitch.trace.hops` makes them.
        hosts: The Nornir hosts of all hops.
        sender: The guest that sends.
        receiver: The one that they are for; it may be unable to count.

    Returns:
        A result whose `result` is a `Trace`.

    Raises:
        FarswitchError: The sender or a server cannot be asked.
    """
    token = secrets.token_bytes(TOKEN_BYTES)
    frame = frames.frame(sender, receiver, token).hex()
    found = count_frames(
        token,
        {sender.name: SendPlan(streams=[(DATA_NIC, frames.count, [frame])])},
        {hop.host: () for hop in way[1:]},
        lambda name: shell(hosts[name]),
        spared=[receiver.name],
    )
    _, error = found.sent[sender.name].streams[0]
    deaf = found.deaf.get(receiver.name, "")
    return Result(host=task.host, result=Trace(frames, counted(way, found), error, deaf))
