"""The verdicts on what a host's interfaces do with packets that wait."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence

from farswitch.links.queues import QueueFault
from farswitch.proof.check import Check, skipped

EXPECTED = "the kernel's own queueing discipline, and no filter"
CAUSE = "Somebody or a program shapes, delays or drops what crosses it (tc): all works, and slowly."


def judge(
    name: str,
    host: str,
    hops: Sequence[str],
    faults: Sequence[QueueFault],
    command: Callable[[Sequence[str]], str],
    *,
    declared: Mapping[str, str] | None = None,
) -> Iterator[Check]:
    """Yield one verdict an interface that is wrong, or one that all are right; none is not judged.

    Args:
        name: Of the check.
        host: Whose interfaces they are.
        hops: All that are there.
        faults: What is wrong with some.
        command: Makes the line that runs a program there as root.
        declared: What some do on purpose.
    """
    if not hops:
        yield skipped(name, host, "it has none of these interfaces", EXPECTED)
    elif not faults:
        purpose = [f"{name}: {does}, on purpose" for name, does in (declared or {}).items()]
        plain = ", ".join(hop for hop in hops if hop not in (declared or {}))
        good = "; ".join([f"{plain}: as the kernel does by itself", *purpose])
        yield Check(name, host, ok=True, measured=good, expected=EXPECTED)
    for device in dict.fromkeys(one.device for one in faults):
        here = [one for one in faults if one.device == device]
        repairs = list(dict.fromkeys(one.repair for one in here))
        line = "; ".join(map(shlex.join, repairs))
        yield Check(
            name,
            host,
            ok=False,
            measured=f"{device}: {', '.join(dict.fromkeys(one.text for one in here))}",
            expected=f"{device}: {EXPECTED}",
            cause=CAUSE,
            fix=command(repairs[0] if len(repairs) == 1 else ("sh", "-c", line)),
        )
