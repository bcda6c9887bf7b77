"""What stands against the pins of a site on a hypervisor, by what `preflight.sh` printed; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.connections.netlink.links import Link
from farswitch.errors import Obstacle
from farswitch.links.wanted_server import WantedServer
from farswitch.model.pin import parse_cpus, written_cpus


@dataclass(frozen=True, slots=True)
class PinProbe:
    """What guests can be pinned to: numbers that are on, and free huge pages in MiB by node."""

    processors: frozenset[int]
    nodes: frozenset[int]
    hugepages: dict[str, int]


def parse(text: str) -> PinProbe:
    """Read what `preflight.sh` printed."""
    lines = [line.split() for line in text.splitlines()]
    found = {words[0]: words[1] for words in lines if words[1:] and words[0] != "hugepages"}
    return PinProbe(
        processors=frozenset(parse_cpus(found.get("processors"))),
        nodes=frozenset(parse_cpus(found.get("nodes"))),
        hugepages={
            words[1]: int(words[2]) * int(words[3]) // 1024
            for words in lines
            if words[:1] == ["hugepages"] and len(words) == 4  # noqa: PLR2004 - word, node, two figures
        },
    )


def pin_obstacles(want: WantedServer, text: str, links: Sequence[Link]) -> Iterator[Obstacle]:
    """Yield what the site pins guests to and a hypervisor has not; `links` are its interfaces."""
    if not want.guests:
        return
    pin, server, found = want.guests[0].settings.pin, want.server.name, parse(text)
    for name in ("vcpus", "emulator"):
        if lacking := [cpu for cpu in getattr(pin, name) if cpu not in found.processors]:
            yield Obstacle(
                f"'{server}' has processors {written_cpus(sorted(found.processors))}, wanted "
                f"{written_cpus(lacking)}, too, for 'pin.{name}'.",
                "Name others in the site, or switch them on there.",
            )
    if pin.numa is not None and pin.numa not in found.nodes:
        nodes = written_cpus(sorted(found.nodes)) or "none"
        yield Obstacle(
            f"'{server}' has NUMA nodes {nodes}, wanted {pin.numa} for 'pin.numa'.",
            "Name another one in the site, or none. Look there: lscpu",
        )
    if pin.hugepages:
        yield from _hugepages(want, found, {link.name for link in links})


def _hugepages(want: WantedServer, found: PinProbe, present: set[str]) -> Iterator[Obstacle]:
    """Compare what is free with what the guests need that do not run yet."""
    settings, server = want.guests[0].settings, want.server.name
    new = sum(guest.data_tap not in present for guest in want.guests)
    node = "all" if settings.pin.numa is None else str(settings.pin.numa)
    where = "" if settings.pin.numa is None else f" on node {node}"
    free, needed = found.hugepages.get(node, 0), new * settings.memory
    if free < needed:
        yield Obstacle(
            f"'{server}' has {free} MiB of free huge pages{where}, wanted {needed} for {new} more "
            f"guests of {settings.memory} MiB.",
            f"Reserve more on '{server}': sysctl vm.nr_hugepages=NUMBER, or hugepages=NUMBER for "
            "its kernel at boot.",
        )
