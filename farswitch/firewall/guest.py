"""A guest's own firewall, of whatever tool: MPI and the share need it open."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.firewall import iptables, nft
from farswitch.remote import script

UNSEEN = "unseen "

LOOK = script("guest_firewall")


@dataclass(frozen=True, slots=True)
class GuestRules:
    """What a guest filters.

    Attributes:
        closed: The chains that have a rule or drop by policy, as a person reads them.
        unseen: The programs that are missing where the kernel may have rules that only they show.
        repair: The programs with arguments that empty it.
    """

    closed: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    repair: tuple[tuple[str, ...], ...] = ()


class GuestFirewallError(FarswitchError):
    """A guest filters; `found` names the chains."""

    def __init__(self, guest: str, found: tuple[str, ...]) -> None:
        super().__init__(
            f"The firewall of '{guest}' is in the way. Chains with rules: {', '.join(found)}.",
            hint="Use an image without a firewall, or remove its rules: "
            "farswitch verify --only guest.firewall tells how.",
        )
        self.found = found


def observe(shell: Shell) -> GuestRules:
    """Read the rules of every tool of a guest in one round trip.

    Raises:
        FarswitchError: A tool that is there could not say.
    """
    return parse(shell.run(("sh", "-c", LOOK)).stdout)


def parse(text: str) -> GuestRules:
    """Return what the observing script printed; pure."""
    closed: list[str] = []
    unseen: list[str] = []
    repair: list[tuple[str, ...]] = []
    for part in f"\n{text}".split("\n=== ")[1:]:
        tool, _, content = part.partition("\n")
        if tool.startswith(UNSEEN):
            unseen.append(tool.removeprefix(UNSEEN))
            continue
        names, commands = _of_nft(content) if tool == "nft" else _of_legacy(tool, content)
        closed += names
        repair += commands
    return GuestRules(tuple(closed), tuple(unseen), tuple(repair))


def check_guest(guest: str, rules: GuestRules) -> None:
    """Make sure that a guest filters nothing, as far as its programs tell; verify asks for all.

    Raises:
        GuestFirewallError: A chain drops by policy or has a rule.
    """
    if rules.closed:
        raise GuestFirewallError(guest, rules.closed)


def _of_nft(content: str) -> tuple[list[str], list[tuple[str, ...]]]:
    chains = nft.chains(nft.objects(content))
    names = [" ".join(one.place) for one in chains if one.policy == "drop" or one.rules]
    return names, [("nft", "flush", "ruleset")] if names else []


def _of_legacy(tool: str, content: str) -> tuple[list[str], list[tuple[str, ...]]]:
    names: list[str] = []
    repair: list[tuple[str, ...]] = []
    for table, saved in iptables.parse(content).items():
        dropping = [name for name, policy in saved.policies.items() if policy == "DROP"]
        closed = [name for name in saved.policies if name in dropping or saved.rules[name]]
        names += [f"{table} {name} ({tool})" for name in closed]
        repair += [(tool, "-t", table, "-P", name, "ACCEPT") for name in dropping]
        repair += [(tool, "-t", table, "-F")] if closed else []
    return names, repair
