"""Does every name of the cluster lead to a data address, and none to the guest itself?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.guests.files.hosts import PATH, hosts_files, wanted_addresses
from farswitch.model.machines import Guest
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Observed, Probe, Proof, sound

RESOLVED = "= resolved ="
LOOK = f'cat "$1"; shift; echo; echo "{RESOLVED}"; getent hosts "$@"; :'
"""The look: its arguments are the file, and the names."""


def lines_of(text: str) -> list[str]:
    """Return the lines of a hosts file that mean something, their fields one space apart."""
    lines = (" ".join(line.partition("#")[0].split()) for line in text.splitlines())
    return [line for line in lines if line]


def differences(
    addresses: Mapping[str, IPv4Address], wanted: str, text: str, resolved: str
) -> list[str]:
    """Return what is not as it should be, in words.

    `addresses` are those of all names, `resolved` the lines that `getent hosts` prints of them.
    """
    have, want = lines_of(text), lines_of(wanted)
    ours, there = frozenset(want), frozenset(have)
    wrong = [f"line '{line}' is not of the build" for line in have if line not in ours]
    wrong += [f"line '{line}' is missing" for line in want if line not in there]
    answers: dict[str, str] = {}
    for line in resolved.splitlines():
        found, *names = line.split()
        for name in names:
            answers.setdefault(name, found)
    for name, address in addresses.items():
        answer = answers.get(name, "nothing")
        if answer != str(address):
            wrong.append(f"'{name}' resolves to {answer}")
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


def observe(task: Task, addresses: Mapping[str, IPv4Address], wanted: str) -> list[str]:
    """Read one guest's file, ask its resolver for every name, and return the differences."""
    argv = ["sh", "-c", LOOK, "hosts", PATH, *addresses]
    text, _, resolved = shell(task).run(argv, timeout=20).stdout.partition(f"\n{RESOLVED}\n")
    return differences(addresses, wanted, text, resolved)


def prove(context: Context) -> Proof:
    """Compare each guest with what a build would write, which is the same for all."""
    cluster = context.cluster
    addresses = wanted_addresses(cluster)
    (file,) = hosts_files(addresses, cluster.owner)
    wanted = file.content.decode()
    observed: Observed[list[str]] = yield {
        "guests": lambda task, _context: observe(task, addresses, wanted)
    }

    def verdicts(host: str) -> Iterable[Check]:
        yield judge(cluster.guest(host), sound(observed[host]), context.rebuild)

    return {host: verdicts(host) for host in observed}


PROBE = Probe(
    "guests",
    {"guest.hosts_file": "Each name resolves to its data address, none to a loopback one."},
    prove,
)
