"""Print how busy a host is, what its interfaces counted, and how often its TCP sent anew, as JSON.

Usage: host_state.py SECONDS [INTERFACE...]   (0 seconds: nothing is said of its processors)
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

PROC = Path("/proc")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
IDLE, IOWAIT, STEAL, FIELDS = 3, 4, 7, 8
"""Places in the first line of /proc/stat (proc(5)): user nice system idle iowait irq softirq steal;
what follows is counted in the first ones, too."""
RECEIVED, RECEIVED_DROPS, SENT, SENT_DROPS = 0, 3, 8, 11
"""Places in a line of /proc/net/dev."""


def processor_times() -> list[int]:
    """Return what the processors did so far, in ticks."""
    with (PROC / "stat").open() as file:
        return [int(word) for word in file.readline().split()[1 : 1 + FIELDS]]


def shares(seconds: float) -> tuple[float, float]:
    """Return the shares of the processors' time that were idle and stolen for some seconds."""
    before = processor_times()
    time.sleep(seconds)
    spent = [late - early for late, early in zip(processor_times(), before)]  # noqa: B905 - 3.8
    whole = sum(spent) or 1
    return (spent[IDLE] + spent[IOWAIT]) / whole, spent[STEAL] / whole


def traffic(names: list[str]) -> dict[str, list[int]]:
    """Return what interfaces received, sent and dropped, in bytes and packets."""
    found = {}
    with (PROC / "net/dev").open() as file:
        for line in file.readlines()[2:]:
            name, _, words = line.partition(":")
            if name.strip() in names:
                count = [int(word) for word in words.split()]
                dropped = count[RECEIVED_DROPS] + count[SENT_DROPS]
                found[name.strip()] = [count[RECEIVED], count[SENT], dropped]
    return found


def retransmitted() -> int:
    """Return how many segments TCP has sent anew since the start (RFC 4022, tcpRetransSegs)."""
    with (PROC / "net/snmp").open() as file:
        rows = [line.split() for line in file if line.startswith("Tcp:")]
    return int(rows[1][rows[0].index("RetransSegs")])


def main() -> None:
    """Print it."""
    seconds = float(sys.argv[1])
    state: dict[str, object] = {
        "traffic": traffic(sys.argv[2:]),
        "retransmitted": retransmitted(),
    }
    if seconds:
        idle, steal = shares(seconds)
        state["load"] = {
            "cores": len(os.sched_getaffinity(0)),
            "idle": idle,
            "steal": steal,
            "load": os.getloadavg()[0],
            "governor": GOVERNOR.read_text().strip() if GOVERNOR.exists() else "",
        }
    print(json.dumps(state))


if __name__ == "__main__":
    main()
