"""Did the bytes cross the switch? What its ports and the management taps counted meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connections.command import Shell
from inventory.model import Cluster, Guest
from tasks.check import Check

MANAGEMENT_SHARE = 0.05
"""What management may carry of the payload: logins and questions; half would be a leak."""
MANAGEMENT_FLOOR = 50_000
"""Bytes that management may carry in any case: starting the job and reading its output."""
_READ = """
cd /sys/class/net || exit 1
for name in "$@"; do
    echo "$name $(cat "$name/statistics/rx_bytes") $(cat "$name/statistics/tx_bytes")"
done
"""


@dataclass(frozen=True, slots=True)
class Count:
    """Bytes that an interface received and sent."""

    received: int
    sent: int

    def __sub__(self, earlier: Count) -> Count:
        return Count(self.received - earlier.received, self.sent - earlier.sent)


def read(login: Shell, names: Sequence[str]) -> dict[str, Count]:
    """Read the counters of interfaces on a server; one that is not there is an error."""
    said = login.run(["sh", "-c", _READ, "counters", *names]).stdout
    fields = (line.split() for line in said.splitlines())
    return {name: Count(int(received), int(sent)) for name, received, sent in fields}


def growth(before: Mapping[str, Count], after: Mapping[str, Count]) -> dict[str, Count]:
    """Return what each interface counted in between."""
    return {name: after[name] - before[name] for name in after}


def judge(
    cluster: Cluster,
    guests: Sequence[Guest],
    payload: int,
    ports: Mapping[str, Count],
    taps: Mapping[str, Count],
) -> list[Check]:
    """Return the verdicts on one run in which each guest received and sent `payload` bytes.

    Args:
        cluster: For the names.
        guests: Those that took part.
        payload: Bytes of messages into and out of each guest.
        ports: What the switch's ports counted meanwhile, by name.
        taps: What the management taps counted meanwhile, by name.
    """
    checks = []
    bound = max(MANAGEMENT_FLOOR, int(payload * MANAGEMENT_SHARE))
    for guest in guests:
        port, tap = ports[guest.tunnel], taps[guest.management_tap]
        checks.append(
            Check(
                name="path.switch",
                host=guest.name,
                ok=port.received >= payload and port.sent >= payload,
                measured=f"port {guest.tunnel} of '{cluster.switch.name}': {port.received} B in, "
                f"{port.sent} B out",
                expected=f"at least {payload} B each way",
                cause="Payload goes another way: look at UCX_NET_DEVICES in the guest's sessions.",
            )
        )
        carried = tap.received + tap.sent
        checks.append(
            Check(
                name="path.management",
                host=guest.name,
                ok=carried <= bound,
                measured=f"{guest.management_tap} carried {carried} B",
                expected=f"at most {bound} B",
                cause="Payload uses mgmt0: python -m workflows.build pins MPI to data0 again.",
            )
        )
    return checks
