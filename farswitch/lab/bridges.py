"""The lab's bridges, one for each subnet, in a network namespace with nothing else.

The namespace is held by a mount, not by a process, so that the machine's own network namespace has
one interface of the lab and no bridge. All members hang on the two bridges alike, so a further one
is a matter of data.
"""

from __future__ import annotations

import json
import os
from typing import Any

from farswitch.lab.addresses import MTU, Lab
from farswitch.lab.run import run

CONTROL, UNDERLAY = "control", "underlay"

Links = dict[str, dict[str, Any]]


def namespace(path: str) -> tuple[str, ...]:
    """Return what runs a program in the network namespace behind a path."""
    return ("nsenter", f"--net={path}", "--")


def within(lab: Lab) -> tuple[str, ...]:
    """Return what runs a program in the namespace of the bridges."""
    return namespace(str(lab.bridges))


def observe(where: tuple[str, ...] = ()) -> Links:
    """Return what `ip -j addr` says of each interface, by name; `where` as from `namespace`."""
    return {link["ifname"]: link for link in json.loads(run([*where, "ip", "-j", "addr", "show"]))}


def ensure(lab: Lab) -> bool:
    """Make the namespace and its bridges; return whether anything was made."""
    changed = not os.path.ismount(lab.bridges)
    if changed:
        lab.bridges.touch()
        run(["unshare", f"--net={lab.bridges}", "true"])
    inside = within(lab)
    have = observe(inside)
    for bridge in (CONTROL, UNDERLAY):
        if bridge not in have:
            # No wait before forwarding, and no snooping: as a cable, it passes everything at once.
            run([*inside, "ip", "link", "add", bridge, "mtu", str(MTU), "up", "type", "bridge",
                 "forward_delay", "0", "mcast_snooping", "0"])  # fmt: skip
            changed = True
        elif "UP" not in have[bridge]["flags"]:
            run([*inside, "ip", "link", "set", bridge, "up"])
            changed = True
    return _settle(inside) or changed


def remove(lab: Lab) -> bool:
    """Remove the namespace, and with it the bridges and one end of every link, if it is there.

    Returns:
        Whether it was.
    """
    there = os.path.ismount(lab.bridges)
    while os.path.ismount(lab.bridges):
        run(["umount", str(lab.bridges)])
    return there


def _settle(inside: tuple[str, ...]) -> bool:
    """Keep the bridges from sending IPv6 and from showing frames to a firewall."""
    wanted = {
        "net.bridge.bridge-nf-call-arptables": "0",
        "net.bridge.bridge-nf-call-ip6tables": "0",
        "net.bridge.bridge-nf-call-iptables": "0",
        "net.ipv6.conf.all.disable_ipv6": "1",
        "net.ipv6.conf.default.disable_ipv6": "1",
    }
    have = run([*inside, "sysctl", "-e", *wanted]).splitlines()  # -e: br_netfilter may be absent
    wrong = [key for key, value in wanted.items() if f"{key} = {1 - int(value)}" in have]
    for key in wrong:
        run([*inside, "sysctl", "-q", "-w", f"{key}={wanted[key]}"])
    return bool(wrong)
