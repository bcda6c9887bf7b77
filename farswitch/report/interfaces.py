"""Interfaces of a run's servers, those that are alike in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.model.node_names import fold_hosts
from farswitch.run.run_document import RunInterface, RunServer


@dataclass(frozen=True, slots=True)
class AlikeInterfaces:
    """Interfaces of one server and kind whose MTU, in bytes, and offloads are the same."""

    server: str
    what: str
    names: str
    mtu: int
    offloads: str


def alike_interfaces(servers: Sequence[RunServer]) -> Iterator[AlikeInterfaces]:
    """Yield a server's interfaces in the order of the first of each line."""
    for server in servers:
        found: dict[tuple[str, int, str], list[str]] = {}
        for one in server.interfaces:
            found.setdefault((one.what, one.mtu, offloads_of(one)), []).append(one.name)
        for (what, mtu, offloads), names in found.items():
            yield AlikeInterfaces(server.name, what, fold_hosts(names), mtu, offloads)


def offloads_of(one: RunInterface) -> str:
    """Return which offloads of an interface are on, in a word each."""
    return " ".join(one.offloads) or "none"
