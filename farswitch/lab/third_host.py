"""A third host on the lab's underlay: neither server, for as long as somebody needs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.lab.addresses import MTU, UNDERLAY_NIC, Lab
from farswitch.lab.bridges import UNDERLAY, namespace, within
from farswitch.lab.run import PATH, run
from farswitch.lab.veth import LINK_GROUP

SECONDS = 10.0
"""Until its port forwards: the kernel reports a carrier up to a second late."""


@dataclass(frozen=True, slots=True)
class HostNamespace:
    """A namespace of its own: `prefix` runs a program there; `address` is nobody's."""

    prefix: tuple[str, ...]
    nic: str
    mac: str
    address: IPv4Address


@contextmanager
def attach_third_host(lab: Lab) -> Iterator[HostNamespace]:
    """Attach a third host to the underlay.

    Its namespace is held by a process that ends when its input does: it goes, and its port with it,
    also when we are killed.

    Raises:
        FarswitchError: The lab is not up, or its bridge did not take the host.
    """
    hold = ("unshare", "--net", "sh", "-c", "echo held; exec cat")
    environment = {**os.environ, "PATH": PATH}
    pipe = subprocess.PIPE
    with subprocess.Popen(hold, stdin=pipe, stdout=pipe, env=environment) as holder:
        if holder.stdout is None or not holder.stdout.readline():
            raise FarswitchError("A namespace for a third host cannot be made.", hint="Be root.")
        port, outside = f"out{holder.pid}", within(lab)
        try:
            yield _plug(outside, port, holder.pid, _free(lab))
        finally:
            subprocess.run([*outside, "ip", "link", "delete", port], stderr=subprocess.DEVNULL,
                           check=False)  # fmt: skip


def _plug(outside: tuple[str, ...], port: str, pid: int, address: IPv4Address) -> HostNamespace:
    inside = namespace(f"/proc/{pid}/ns/net")
    run([*outside, "ip", "link", "add", port, "master", UNDERLAY, "mtu", str(MTU), "up",
         "type", "veth", "peer", "name", UNDERLAY_NIC, "mtu", str(MTU),
         "group", str(LINK_GROUP), "netns", str(pid)])  # fmt: skip
    run([*inside, "ip", "link", "set", UNDERLAY_NIC, "addrgenmode", "none", "up"])
    wait_until(
        lambda: _forwards(outside, port),
        Deadline(SECONDS),
        what="A third host's port of the underlay",
    )
    (nic,) = json.loads(run([*inside, "ip", "-j", "link", "show", "dev", UNDERLAY_NIC]))
    return HostNamespace(inside, UNDERLAY_NIC, nic["address"], address)


def _forwards(outside: tuple[str, ...], port: str) -> bool:
    (link,) = json.loads(run([*outside, "ip", "-d", "-j", "link", "show", "dev", port]))
    return bool(link["linkinfo"]["info_slave_data"]["state"] == "forwarding")


def _free(lab: Lab) -> IPv4Address:
    """Return the subnet's last address that is no member's."""
    taken = {lab.underlay_address(member).ip for member in lab.members}
    return max(address for address in lab.underlay.hosts() if address not in taken)
