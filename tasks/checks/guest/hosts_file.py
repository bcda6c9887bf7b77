"""Does every name of the cluster lead to a data address, and none to the guest itself?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.guests.files.hosts import PATH, hosts_files, wanted_addresses
from farswitch.model.machines import Guest
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each

RESOLVED = "= resolved ="
_LOOK = f'cat "$1"; shift; echo; echo "{RESOLVED}"; getent hosts "$@"; :'


def lines_of(text: str) -> list[str]:
    """Return the lines of a hosts file that mean something, their fields one space apart."""
    lines = (" ".join(line.partition("#")[0].split()) for line in text.splitlines())
    return [line for line in lines if line]


def differences(guests: Sequence[Guest], wanted: str, text: str, resolved: str) -> list[str]:
    """Return what is not as it should be, in words.

    `resolved` has one line a name, as `getent hosts` prints them.
    """
    have, want = lines_of(text), lines_of(wanted)
    ours, there = frozenset(want), frozenset(have)
    wrong = [f"line '{line}' is not of the build" for line in have if line not in ours]
    wrong += [f"line '{line}' is missing" for line in want if line not in there]
    answers: dict[str, str] = {}
    for line in resolved.splitlines():
        address, *names = line.split()
        for name in names:
            answers.setdefault(name, address)
    for guest in guests:
        answer = answers.get(guest.name, "nothing")
        if answer != str(guest.data_address.ip):
            wrong.append(f"'{guest.name}' resolves to {answer}")
    if not wrong and text.strip() != wanted.strip():
        wrong.append("its comments or spaces are not of the build")
    return wrong


def judge(guest: Guest, wrong: Sequence[str], fix: str) -> Check:
    """Return the verdict on one guest's hosts file, from its differences."""
    return Check(
        "guest.hosts_file",
        guest.name,
        ok=not wrong,
        measured=f"{PATH}: {', '.join(wrong)}" if wrong else "as built",
        expected="each name at its data address",
        cause="An installer or cloud-init wrote the file; a name at 127.0.1.1 breaks MPICH.",
        fix=fix,
    )


def observe(task: Task, context: Context) -> tuple[str, str]:
    """Read one guest's file, and ask its resolver for every name."""
    argv = ["sh", "-c", _LOOK, "hosts", PATH, *(guest.name for guest in context.cluster.guests)]
    text, _, resolved = shell(task).run(argv, timeout=20).stdout.partition(f"\n{RESOLVED}\n")
    return text, resolved


def verdicts(context: Context, host: str, observed: tuple[str, str]) -> Iterator[Check]:
    """Yield the verdict on one guest."""
    cluster = context.cluster
    (file,) = hosts_files(wanted_addresses(cluster), cluster.owner)
    wrong = differences(cluster.guests, file.content.decode(), *observed)
    yield judge(cluster.guest(host), wrong, context.rebuild)


PROBE = Probe(
    "guests",
    {"guest.hosts_file": "Each name resolves to its data address, none to a loopback one."},
    of_each("guests", observe, verdicts),
)
