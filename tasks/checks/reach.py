"""Does each guest reach every other over the data network by ICMP at the exact MTU?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nornir.core.task import Task

from connections.access import shell
from inventory.hosts import guest_of
from inventory.model import Guest
from tasks.check import Check
from tasks.probe import Probe, Scene

ICMP_OVERHEAD = 20 + 8
"""Bytes of the IPv4 and ICMP headers in a ping (RFC 791, RFC 792)."""
_PING = """
size=$1; shift
for address in "$@"; do
    ping -q -n -c 2 -i 0.2 -W 2 -M do -s "$size" "$address" >/dev/null 2>&1 && fits=yes || fits=no
    ping -q -n -c 1 -W 2 -M do -s $((size + 1)) "$address" >/dev/null 2>&1 && more=yes || more=no
    echo "$address $fits $more"
done
"""


def judge_ping(guest: Guest, others: Sequence[Guest], mtu: int, text: str) -> Iterator[Check]:
    """Yield one verdict a pair: the exact size passes with DF, one byte more does not.

    A pair of which the probe said nothing has failed.
    """
    fields = (line.split() for line in text.splitlines())
    said = {address: verdicts for address, *verdicts in fields if len(verdicts) == 2}  # noqa: PLR2004
    for other in others:
        fits, more = said.get(str(other.data_address.ip), ["not probed", "not probed"])
        yield Check(
            name="mtu.exact",
            host=guest.name,
            ok=(fits, more) == ("yes", "no"),
            measured=f"to {other.name}: {mtu} B {_word(fits)}, {mtu + 1} B {_word(more)}",
            expected=f"to {other.name}: {mtu} B passes, {mtu + 1} B does not",
            cause="Look at the switch's port and at every hop's MTU: python -m workflows.build",
        )


def _word(answer: str) -> str:
    return {"yes": "passes", "no": "does not pass"}.get(answer, answer)


def _others(scene: Scene, guest: Guest) -> list[Guest]:
    return [other for other in scene.there() if other.name != guest.name]


def pings(task: Task, scene: Scene) -> Iterator[Check]:
    """Ping all other guests from one, at the exact size and one byte above."""
    guest, login = guest_of(task.host), shell(task)
    others = _others(scene, guest)
    addresses = [str(other.data_address.ip) for other in others]
    argv = ["sh", "-c", _PING, "ping", str(scene.mtu - ICMP_OVERHEAD), *addresses]
    said = login.run(argv, timeout=30 + 5 * len(others))
    yield from judge_ping(guest, others, scene.mtu, said.stdout)


PROBE = Probe(
    "guests",
    {"mtu.exact": "The MTU passes with DF between each two guests, one byte more does not."},
    pings,
)
