"""What is done to frames at the ends of tunnels, as a server has it; and what its kernel can."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link, Session, dump
from farswitch.connections.netlink.shapers import SPLITTING, Netem, RootQdisc, Tbf, added, roots
from farswitch.connections.shell.base import Shell
from farswitch.firewall import nft
from farswitch.links.plan import IMPAIRING
from farswitch.model.impairment import Impairment, impairment
from farswitch.model.owner import Owner
from farswitch.remote import command

(LOOP, LOOP_END), TUNNEL, LINE = IMPAIRING, "fsv", "fst"
"""Of a tunnel's end, a pair through which its frames leave whole, and its delay line: their names,
each with the VNI behind it."""


def beside(device: str, prefix: str) -> str:
    """Return the name of what belongs to a tunnel's end."""
    return prefix + device.removeprefix(TUNNEL)


def table_name(owner: Owner, device: str) -> str:
    """Return the name of the nft table of a tunnel's end."""
    return f"{owner.guard_table}_{device}"


NOTHING = Impairment()


@dataclass(frozen=True, slots=True)
class EndState:
    """A tunnel's end as it is.

    Attributes:
        index: The interface's.
        up: Whether it is up.
        root: What is at its root, if anybody put something there.
        done: What is done to what leaves it, by what is ours.
        fault: What of ours is not whole, as a predicate; empty where all is.
        whole: Its frames are split by a pair, before single ones are dropped.
    """

    index: int
    up: bool
    root: RootQdisc | None = None
    done: Impairment = NOTHING
    fault: str = ""
    whole: bool = False

    @property
    def foreign(self) -> RootQdisc | None:
        """What somebody else put at its root."""
        return self.root if self.root and not self.root.ours else None

    @property
    def mine(self) -> bool:
        """Whether anything of ours is there."""
        return bool(self.done or self.fault or (self.root and self.root.ours))


@dataclass(frozen=True, slots=True)
class ImpairedEnds:
    """All that impairs, or could, on a server.

    Attributes:
        ends: The tunnels' ends by name.
        links: The names of all interfaces.
        tables: Those of ours in nft, by their names, and what they do.
    """

    ends: Mapping[str, EndState]
    links: frozenset[str]
    tables: Mapping[str, Impairment]


@dataclass(frozen=True, slots=True)
class KernelAbilities:
    """What a server's kernel has no netem, or no rule that forwards, for; empty where it can."""

    netem: str = ""
    forwarding: str = ""


def observe(shell: Shell, ipr: Session, owner: Owner) -> ImpairedEnds:
    """Read what is there of an owner."""
    links = dump(ipr)
    listed = nft.objects(shell.run(("nft", "-j", "list", "ruleset", "netdev")).stdout)
    return found(links, roots(ipr, links), listed, owner)


def found(
    links: Sequence[Link],
    qdiscs: Mapping[str, RootQdisc],
    listed: Sequence[nft.Json],
    owner: Owner,
) -> ImpairedEnds:
    """Sort out what was read; pure."""
    names = frozenset(link.name for link in links)
    tables = _tables(listed, owner)
    ends = {
        link.name: _end(
            link, qdiscs.get(link.name), tables.get(table_name(owner, link.name)), names
        )
        for link in links
        if link.kind == "vxlan" and link.name.startswith(TUNNEL)
    }
    return ImpairedEnds(ends, names, tables)


def _tables(listed: Sequence[nft.Json], owner: Owner) -> dict[str, Impairment]:
    """Return what our tables do, which the comment of their first rule says."""
    start, mark = f"{owner.guard_table}_{TUNNEL}", f"{owner.mark}:"
    found: dict[str, Impairment] = {}
    for rule in (one["rule"] for one in listed if "rule" in one):
        comment = rule.get("comment", "")
        if rule["table"].startswith(start) and comment.startswith(mark):
            found[rule["table"]] = impairment(comment.removeprefix(mark)) or NOTHING
    return found


def _end(
    link: Link, root: RootQdisc | None, by_nft: Impairment | None, names: Collection[str]
) -> EndState:
    done = by_nft or NOTHING
    faults = []
    for needed, prefix, what in (
        (done.loss, LOOP, "the pair that splits its frames"),
        (done.delay, LINE, "its delay line"),
    ):
        if needed and (name := beside(link.name, prefix)) not in names:
            faults.append(f"{what} ('{name}') is not there: no frame passes")
    for shaper in root.shapers if root and root.ours else ():
        done = done.model_copy(update=_values(shaper))
    if root and root.ours and not root.shapers:
        faults.append(f"its root is '{root.kind}'")
    return EndState(link.index, link.up, root, done, ", ".join(faults), bool(by_nft and done.loss))


def _values(shaper: Tbf | Netem) -> dict[str, int]:
    """Return what a shaper does, as an impairment has it; one that only splits frames has none."""
    if isinstance(shaper, Tbf):
        return {} if shaper.rate >= SPLITTING else {"rate": shaper.rate * 8}
    values = {"delay": -(-shaper.delay // 1000), "jitter": -(-shaper.jitter // 1000)}
    shares = {key: getattr(shaper, key) for key in ("loss", "duplicate", "corrupt", "reorder")}
    return {key: value for key, value in (values | shares).items() if value}


_FORWARDING = """add table netdev try
add chain netdev try out { type filter hook egress device "lo" priority 0; }
add rule netdev try out numgen random mod 100 < 1 drop
add rule netdev try out fwd to "lo"
"""


def kernel(shell: Shell) -> KernelAbilities:
    """Try what a server's kernel can, in a network namespace that ends with the command."""
    netem: list[dict[str, str]] = [{"netlink": request.hex()} for request in added(1, [Netem()])]
    forwarding = [{"nft": _FORWARDING}]
    tries = [("netem", netem), ("forwarding", forwarding)]
    steps = [{"at": 0, "name": name, "changes": changes} for name, changes in tries]
    plan = json.dumps({"at_once": True, "seconds": 0, "steps": steps, "last": []})
    argv = ["unshare", "--net", *command("impair_agent")]
    lines = shell.run(argv, stdin=f"{plan}\n".encode()).stdout.splitlines()
    errors = {one["name"]: one["error"] for one in map(json.loads, lines)}
    return KernelAbilities(errors["netem"], errors["forwarding"])
