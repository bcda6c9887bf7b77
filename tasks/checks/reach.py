"""Does each guest reach every other over the data network: by ICMP at the exact MTU, and by ssh?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nornir.core.task import Task

from connections.access import shell
from inventory.hosts import guest_of
from inventory.model import Guest
from tasks.check import Check
from tasks.mpi_run import as_user
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
_SSH = """
OPTIONS="-o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10"
for name in "$@"; do
    said=$(ssh -n $OPTIONS "$name" hostname 2>&1)
    echo "$name $? $said" | head -n 1
done
"""
SSH_SECONDS = 20
"""For one node's login to another; under emulation it takes 1 to 2 s."""


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


def judge_ssh(guest: Guest, others: Sequence[Guest], text: str) -> Iterator[Check]:
    """Yield one verdict a pair: a login without a password arrives at the right host."""
    lines = {line.split()[0]: line.split(None, 2)[1:] for line in text.splitlines() if line.strip()}
    for other in others:
        status, *answer = lines.get(other.name, ["not probed"])
        said = answer[0].strip() if answer else ""
        yield Check(
            name="ssh.pair",
            host=guest.name,
            ok=status == "0" and said == other.name,
            measured=f"to {other.name}: status {status}, '{said}'",
            expected=f"to {other.name}: status 0, '{other.name}'",
            cause="A refused login: python -m workflows.build writes keys and known hosts again. "
            "No route or a timeout: look at the switch's port of both guests.",
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


def logins(task: Task, scene: Scene) -> Iterator[Check]:
    """Log in from one guest to every guest, itself included."""
    login, guests = shell(task), scene.there()
    names = [one.name for one in guests]
    argv = as_user(scene.cluster.settings, ["sh", "-c", _SSH, "ssh", *names])
    said = login.run(argv, timeout=SSH_SECONDS * len(names))
    yield from judge_ssh(guest_of(task.host), guests, said.stdout)


PROBES = (
    Probe(
        "guests",
        {"mtu.exact": "The MTU passes with DF between each two guests, one byte more does not."},
        pings,
    ),
    Probe("guests", {"ssh.pair": "Each node logs in to each node without a password."}, logins),
)
