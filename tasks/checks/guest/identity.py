"""Is each guest who it should be: its name, the cluster's user, its NICs and routes?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.model.machines import DATA_NIC, MANAGEMENT_NIC, Guest
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.probe import Probe, of_each
from farswitch.remote import shell_command


@dataclass(slots=True)
class Identity:
    """What a guest says of itself; NICs by name, addresses with their prefix."""

    hostname: str = ""
    user: str = ""
    macs: dict[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    routes: list[str] = field(default_factory=list)


def parse(text: str) -> Identity:
    """Read what the probe printed."""
    found = Identity()
    for line in text.splitlines():
        match line.split():
            case ["hostname", name]:
                found.hostname = name
            case ["user", uid, gid]:
                found.user = f"{uid}:{gid}"
            case ["nic", nic, mac, up]:
                found.macs[nic] = mac
                found.down |= set() if up == "1" else {nic}
            case [_, nic, "inet", address, *_]:
                found.addresses.setdefault(nic, []).append(address)
            case ["default", *_]:
                found.routes.append(line.strip())
            case _:
                pass
    return found


def differences(guest: Guest, found: Identity) -> dict[str, str]:
    """Return each difference, with the line of shell that mends it, empty where none can."""
    settings, wrong = guest.settings, dict[str, str]()
    if found.hostname != guest.name:
        mend = f"hostname {guest.name}; echo {guest.name} >/etc/hostname"
        wrong[f"hostname '{found.hostname}'"] = mend
    if found.user != f"{settings.uid}:{settings.uid}":
        wrong[f"user '{settings.user}' has {found.user or 'no'} uid:gid"] = ""
    wanted = {
        DATA_NIC: (guest.data_mac, str(guest.data_address)),
        MANAGEMENT_NIC: (guest.management_mac, str(guest.management_address)),
    }
    for nic, (mac, address) in wanted.items():
        wrong |= _of_nic(nic, found, mac, address)
    for route in found.routes:
        wrong[f"route '{route}'"] = f"ip route del {route}"
    return wrong


def _of_nic(nic: str, found: Identity, mac: str, address: str) -> Mapping[str, str]:
    if nic not in found.macs:
        other = next((name for name, have in found.macs.items() if have == mac), "")
        lines = (f"{other} down", f"{other} name {nic}", f"{nic} up")
        mend = "; ".join(f"ip link set dev {line}" for line in lines) if other else ""
        return {f"no interface {nic}" + (f", '{other}' has its MAC" if other else ""): mend}
    wrong, have = {}, found.addresses.get(nic, [])
    if nic in found.down:
        wrong[f"{nic} is down"] = f"ip link set {nic} up"
    if found.macs[nic] != mac:
        wrong[f"{nic} has MAC {found.macs[nic]}"] = f"ip link set dev {nic} address {mac}"
    if address not in have:
        wrong[f"{nic} lacks {address}"] = f"ip address replace {address} broadcast + dev {nic}"
    for other in have:
        if other != address:
            wrong[f"{nic} has {other} too"] = f"ip address del {other} dev {nic}"
    return wrong


def expected(guest: Guest) -> str:
    """Return what a guest should say of itself."""
    settings = guest.settings
    return (
        f"'{guest.name}', {settings.user} {settings.uid}:{settings.uid}, {guest.data_address} and "
        f"{guest.data_mac} on data0, {guest.management_address} and {guest.management_mac} on "
        "mgmt0, no default route"
    )


def judge(guest: Guest, found: Identity, context: Context) -> Check:
    """Return the verdict on one guest."""
    wrong = differences(guest, found)
    mends = [mend for mend in wrong.values() if mend]
    mended = context.command(guest.name, ["sh", "-c", "; ".join(mends)]) if mends else ""
    fix = mended if len(mends) == len(wrong) else "Take the guest out of the site, then in again."
    return Check(
        "guest.identity",
        guest.name,
        ok=not wrong,
        measured=", ".join(wrong) or expected(guest),
        expected=expected(guest),
        cause="Somebody changed it in the guest, or its image configures the network anew.",
        fix=fix,
    )


def observe(task: Task, context: Context) -> Identity:
    """Ask one guest."""
    argv = shell_command("guest_identity", context.cluster.settings.user)
    return parse(shell(task).run(argv, timeout=15).stdout)


def verdicts(context: Context, host: str, found: Identity) -> Iterator[Check]:
    """Yield the verdict on one guest."""
    yield judge(context.cluster.guest(host), found, context)


PROBE = Probe(
    "guests",
    {"guest.identity": "Name, user, addresses and MACs are this guest's; no default route."},
    of_each("guests", observe, verdicts),
)
