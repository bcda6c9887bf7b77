"""Do both ends of each guest's tunnel fit, and has nobody else a guest's VNI?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farswitch.connections.netlink.links import Link
from farswitch.model.cluster import Cluster
from farswitch.model.links import Tunnel, VxlanAttrs
from farswitch.model.machines import Guest
from farswitch.proof.check import Check
from tasks.checks.tunnel.observed import TunnelState

MADE_ANEW = (
    "Somebody or a network manager made the interface anew: a tunnel's {} does not change by itself"
)
CAUSES = {
    "down": "Somebody or a network manager took the interface down",
    "bridge": "Somebody or a network manager took the interface out of its bridge",
    "missing": "Somebody removed it, or the server was started anew since the build",
    "carrier": "The underlay's device has no carrier, or is down",
}


def describe(name: str, link: Link | None) -> str:
    """Return one end as a person reads it."""
    if link is None:
        return f"{name} is not there"
    if link.vxlan is None:
        return f"{name} is no tunnel but a {link.kind or 'device'}"
    return f"{name} {_attributes(link.vxlan)}, {_state(link)}, in {link.master or 'no bridge'}"


def wanted(tunnel: Tunnel) -> str:
    """Return the same of an end that is as it should be."""
    place = f", in {tunnel.master}" if tunnel.master else ""
    return f"{tunnel.name} {_attributes(tunnel.vxlan)}, up{place}"


def faults(link: Link | None, want: Tunnel) -> dict[str, str]:
    """Return what is wrong with one end: what it is, and its usual cause."""
    if link is None:
        return {"it is missing": CAUSES["missing"]}
    have, ends = link.vxlan, want.vxlan
    if have is None:
        return {"it is no tunnel": MADE_ANEW.format("kind")}
    pairs = (
        ("VNI", have.vni, ends.vni),
        ("local address", have.local, ends.local),
        ("remote address", have.remote, ends.remote),
        ("UDP port", have.port, ends.port),
        ("underlay device", have.device, ends.device),
        ("learning", have.learning, ends.learning),
    )
    found = {
        f"{name} {is_} instead of {should}": MADE_ANEW.format(name)
        for name, is_, should in pairs
        if is_ != should
    }
    if not link.up:
        found["it is down"] = CAUSES["down"]
    elif not link.running:
        found["it has no carrier"] = CAUSES["carrier"]
    if want.master and link.master != want.master:
        found[f"it is in {link.master or 'no bridge'} instead of {want.master}"] = CAUSES["bridge"]
    return found


def judge_ends(
    cluster: Cluster, guest: Guest, servers: Mapping[str, TunnelState], rebuild: str
) -> Iterator[Check]:
    """Yield one verdict a wrong end of a guest's tunnel, or one that both are right."""
    near, far = cluster.switch.name, guest.hypervisor
    shown = {
        name: f"'{name}': {describe(guest.tunnel, servers[name].link(guest.tunnel))}"
        for name in (near, far)
    }
    good = True
    for name in (near, far):
        state, want = servers[name], servers[name].tunnel(guest)
        found = faults(state.link(guest.tunnel), want)
        if not found:
            continue
        good = False
        yield Check(
            name="tunnel.ends",
            host=name,
            ok=False,
            measured=f"{guest.name}: {', '.join(found)}; {shown[name]}; "
            f"{shown[far if name == near else near]}",
            expected=f"{guest.name}: '{name}': {wanted(want)}",
            cause=f"{'. '.join(dict.fromkeys(found.values()))}.",
            fix=state.repair(guest.tunnel, rebuild),
        )
    if good:
        yield Check(
            name="tunnel.ends",
            host=near,
            ok=True,
            measured=f"{guest.name}: {shown[near]}; {shown[far]}",
            expected=f"{guest.name}: the same VNI and UDP port, addresses mirrored, both up",
        )


def judge_vnis(cluster: Cluster, state: TunnelState, rebuild: str) -> Iterator[Check]:
    """Yield one verdict an interface of a server that has a guest's VNI and is not its tunnel."""
    guests = {guest.vni: guest for guest in cluster.guests}
    twice = [
        (link, guests[link.vxlan.vni])
        for link in state.links
        if link.vxlan and link.vxlan.vni in guests and guests[link.vxlan.vni].tunnel != link.name
    ]
    expected = f"no other tunnel than the guests' own with a VNI from {_range(cluster)}"
    if not twice:
        yield Check("tunnel.vni", state.server.name, ok=True, measured="none", expected=expected)
    for link, guest in twice:
        ends = _attributes(link.vxlan) if link.vxlan else ""
        yield Check(
            name="tunnel.vni",
            host=state.server.name,
            ok=False,
            measured=f"{link.name} has the VNI of {guest.name}: {ends}",
            expected=expected,
            cause="Another program or cluster uses the same VNIs: with the same UDP port the "
            "kernel mixes their frames. Change vni_base of one of them, or remove the interface.",
            fix=state.repair(link.name, rebuild) if state.ours(link) else state.remove(link.name),
        )


def _attributes(ends: VxlanAttrs) -> str:
    learning = ", learning" if ends.learning else ""
    return (
        f"VNI {ends.vni} {ends.local} -> {ends.remote} UDP {ends.port} over {ends.device}{learning}"
    )


def _state(link: Link) -> str:
    return "down" if not link.up else "up" if link.running else "up without carrier"


def _range(cluster: Cluster) -> str:
    vnis = [guest.vni for guest in cluster.guests]
    return f"{min(vnis)} to {max(vnis)}"
