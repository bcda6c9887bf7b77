"""Let a server's tcpdump translate a filter of pcap-filter(7)."""

from __future__ import annotations

from nornir.core.task import Result, Task

from farswitch.capture.packet_filter import FrameFilter
from farswitch.connections.access import shell
from farswitch.errors import ConfigError
from farswitch.remote import shell_command

NO_TCPDUMP = 69
"""EX_UNAVAILABLE of sysexits.h."""


def translate_filter(task: Task, expression: str, size: int) -> Result:
    """Translate a filter for frames of guests.

    Args:
        task: Nornir's task, on one server for all.
        expression: As tcpdump takes it: `icmp or tcp port 22`.
        size: Bytes of a frame that are kept.

    Returns:
        A result whose `result` is a `FrameFilter`.

    Raises:
        ConfigError: It is no such filter, or there is no tcpdump.
    """
    done = shell(task).run(shell_command("capture_filter", str(size), expression), check=False)
    if done.status == NO_TCPDUMP:
        raise ConfigError(
            f"'{task.host.name}' has no tcpdump, which translates --filter.",
            hint="Install the package tcpdump there, or capture without a filter.",
        )
    if done.status != 0:
        why = done.stderr.strip().removeprefix("tcpdump: ").splitlines()
        raise ConfigError(
            f"'{expression}' is no filter: {why[0] if why else 'tcpdump does not say why'}.",
            hint="pcap-filter(7) has the language; it is about the guests' frames: 'icmp', "
            "'host 10.0.0.11 and tcp', 'ether host 02:fa:00:00:00:29'",
        )
    return Result(host=task.host, result=FrameFilter.parse(done.stdout))
