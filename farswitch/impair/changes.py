"""The changes that make the ends of tunnels do to frames what they should, and undo it; pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from farswitch.connections.netlink.compiled import deletion, link_state, pair
from farswitch.connections.netlink.shapers import SPLITTING, Netem, Shaper, Tbf, added, removed
from farswitch.impair.observe import (
    LINE,
    LOOP,
    LOOP_END,
    NOTHING,
    EndState,
    KernelAbilities,
    beside,
    table_name,
)
from farswitch.impair.plan import EndChange, PortEnd
from farswitch.model.impairment import Impairment
from farswitch.model.links import VethEnd
from farswitch.model.owner import Owner
from farswitch.remote import command
from farswitch.templates import render_template

HEADER = 14
"""Bytes of an Ethernet header (IEEE 802.3)."""
MARK = 0x46534C54
"""Of frames that were dealt with ("FSLT"); it is taken off them before they leave."""
QUEUE_SECONDS = 0.1
"""What a rate lets wait beside the delay; more is dropped, as by a real port."""
Change = dict[str, Any]
"""As `impair_agent.py` takes it."""
FASTEST = 10 * 10**9
"""Bits per second that a queue is made for where no rate is wanted."""
SHORT_FRAME = 500
"""Bytes of a frame, on average, of what waits in a queue."""


def changes_of(one: EndChange, kernel: KernelAbilities, owner: Owner, *, mtu: int) -> list[Change]:
    """Return what makes an end as it should be; `mtu` is in bytes of IP packet."""
    end, made = one.end, list[Change]()
    if one.shaped:
        made += removal(one.have, end.device, owner)
        if end.want:
            made += _added(one, kernel, owner, mtu)
    if one.moved:
        made.append({"netlink": link_state(end.device, up=not one.have.up).hex()})
    return made


def removal(have: EndState | None, device: str, owner: Owner) -> list[Change]:
    """Return what takes all of ours off an end, whatever there is of it."""
    table = table_name(owner, device)
    made: list[Change] = [
        {"nft": f"add table netdev {table}\ndelete table netdev {table}\n", "may_fail": True}
    ]
    if have:
        made.append({"netlink": removed(have.index).hex(), "may_fail": True})
    names = (beside(device, prefix) for prefix in (LOOP, LINE))
    return [*made, *({"netlink": deletion(name).hex(), "may_fail": True} for name in names)]


def clean(changes: Sequence[EndChange], owner: Owner) -> list[Change]:
    """Return what leaves the ends of a plan without impairments, and as up as before."""
    made: list[Change] = []
    for one in changes:
        if one.shaped:
            made += removal(one.have, one.end.device, owner)
        if one.moved:
            request = link_state(one.end.device, up=one.have.up)
            made.append({"netlink": request.hex(), "may_fail": True})
    return made


def script_of(made: Sequence[Change]) -> str:
    """Return a script for `sh` that makes changes, each whatever became of the others."""
    text = json.dumps(plan_of([("undo", [one]) for one in made]))
    return f"printf '%s\\n' {shlex.quote(text)} | {shlex.join(command('impair_agent'))}"


def plan_of(steps: Sequence[tuple[str, Sequence[Change]]], seconds: float = 0.0) -> dict[str, Any]:
    """Return steps as `impair_agent.py` takes them, one behind the other, at once.

    With `seconds` no change begins later.
    """
    made = [{"at": 0, "name": name, "changes": list(changes)} for name, changes in steps]
    return {"at_once": True, "seconds": seconds, "steps": made, "last": []}


def shapers(want: Impairment, *, netem: bool, mtu: int) -> tuple[Shaper, ...]:
    """Return the chain of queueing disciplines that does it, as far as they can.

    Where single frames are chosen, a bucket before netem splits those that hold many; a rate comes
    last, behind the delay, as on a link.
    """
    frame = mtu + HEADER
    chain: list[Shaper] = []
    if netem and (want.delay or want.per_frame):
        if want.per_frame:
            chain.append(Tbf(SPLITTING, frame + HEADER, frame * 1000))
        chain.append(
            Netem(
                delay=want.delay * 1000,
                jitter=want.jitter * 1000,
                loss=want.loss,
                duplicate=want.duplicate,
                corrupt=want.corrupt,
                reorder=want.reorder,
                limit=_packets(want),
            )
        )
    if want.rate:
        rate = want.rate // 8
        chain.append(
            Tbf(rate, max(2 * frame, rate // 1000), max(16 * frame, int(rate * QUEUE_SECONDS)))
        )
    return tuple(chain)


def _packets(want: Impairment) -> int:
    """Return how many packets netem has to hold: those of a rate for the time of the delay."""
    seconds = (want.delay + want.jitter) / 1_000_000 + QUEUE_SECONDS
    return max(1000, min(1_000_000, int((want.rate or FASTEST) / 8 / SHORT_FRAME * seconds)))


def _added(one: EndChange, kernel: KernelAbilities, owner: Owner, mtu: int) -> Iterator[Change]:
    end, want = one.end, one.end.want or NOTHING
    device, netem = end.device, not kernel.netem
    for request in added(one.have.index, shapers(want, netem=netem, mtu=mtu)):
        yield {"netlink": request.hex()}
    if netem or not (want.loss or want.delay):
        return
    loop, loop_end, line = (beside(device, one) for one in (LOOP, LOOP_END, LINE))
    mark, table = f"{owner.mark}:{end.guest}:{end.direction}", table_name(owner, device)
    if want.loss:
        yield {"netlink": pair(_pair(end, loop, loop_end, owner, mtu)).hex()}
        yield {"whole": loop}
    if want.delay:
        times = (str(want.delay), str(want.jitter))
        yield {"start": command("delay_line", device, line, *times, str(MARK), mark, table)}
    by_nft = Impairment.model_construct(delay=want.delay, jitter=want.jitter, loss=want.loss)
    yield {
        "nft": render_template(
            "impair/port_end.nft.j2",
            table=table,
            device=device,
            mark=MARK,
            owner=owner.mark,
            written=str(by_nft),
            first=loop if want.loss else line,
            loss=want.loss,
            loop_end=loop_end,
            line=line if want.delay else "",
        )
    }


def _pair(end: PortEnd, loop: str, loop_end: str, owner: Owner, mtu: int) -> list[VethEnd]:
    """Return the pair through which frames leave whole, and come back where they are dropped."""
    return [
        VethEnd(
            name,
            peer,
            mtu=mtu,
            alias=f"{owner.mark}:{end.guest}:{end.direction}",
            altname=f"farswitch-{owner.cluster}-{end.guest}-{end.direction}-{name[:3]}",
            group=owner.link_group,
        )
        for name, peer in ((loop, loop_end), (loop_end, loop))
    ]
