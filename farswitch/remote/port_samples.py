"""Read the bytes of interfaces again and again, until a line comes in, and print what was read.

Usage: port_samples.py SECONDS MOST INTERFACE...

It prints {"now": SECONDS}, of this server's monotonic clock, when it is ready. To a first line it
answers with that once more, after a first reading. The second line ends it, after a last one: it
prints {"at": [SECONDS...], "bytes": {INTERFACE: [[RECEIVED, SENT]...]}}, as the interfaces have
counted at these moments. Where there would be more than MOST of them, every other one is forgotten
and the time between two doubles. It ends without a word where its input ends.
"""

from __future__ import annotations

import json
import select
import sys
import time

from farswitch.remote.host_state import traffic


def sample(names: list[str]) -> tuple[float, dict[str, list[int]]]:
    """Return the moment, and what interfaces have received and sent by then."""
    found = traffic(names)
    return time.monotonic(), {name: count[:2] for name, count in found.items()}


def clock() -> None:
    """Print what time it is."""
    print(json.dumps({"now": time.monotonic()}), flush=True)


def main() -> None:
    """Read until the second line."""
    seconds, most, names = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    clock()
    if not sys.stdin.readline():
        return
    samples = [sample(names)]
    clock()
    while True:
        left = samples[-1][0] + seconds - time.monotonic()
        if select.select([0], [], [], max(0.0, left))[0]:
            break
        samples.append(sample(names))
        if len(samples) >= most:
            samples, seconds = samples[::2], 2 * seconds
    if not sys.stdin.readline():
        return
    samples.append(sample(names))
    there = [name for name in names if all(name in found for _, found in samples)]
    counted = {name: [found[name] for _, found in samples] for name in there}
    print(json.dumps({"at": [moment for moment, _ in samples], "bytes": counted}), flush=True)


if __name__ == "__main__":
    main()
