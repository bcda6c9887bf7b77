"""The MTU of the data network: derived from the underlay, set on every hop, read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nornir.core.task import Result, Task

from farswitch.connections.access import netlink, shell
from farswitch.connections.netlink.edit_links import set_mtu
from farswitch.connections.netlink.links import Link, dump
from farswitch.connections.shell.protocol import CommandError, Shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import Cluster
from farswitch.model.machines import DATA_NIC, Server
from farswitch.site.nornir_data import SERVER, server_of

"""The guest's NIC on the data network."""


@dataclass(frozen=True, slots=True)
class Hop:
    """An interface on the way of a frame; a tap, which comes and goes, counts in its `bridge`."""

    name: str
    bridge: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A hop whose MTU is not as wanted."""

    name: str
    found: int
    wanted: int

    def __str__(self) -> str:
        return f"~ {self.name} mtu {self.found} -> {self.wanted}"


def derive(wanted: int | None, underlays: Sequence[Underlay], built: int = 0) -> int:
    """Compute the MTU of the data network.

    Args:
        wanted: The site's number, or None: as large as the underlay allows.
        underlays: Of every server.
        built: What the cluster was built with; an underlay that lost some of it since is a fault
            to be mended, no wish for a smaller cluster.

    Returns:
        The MTU, in bytes of IP packet.

    Raises:
        ConfigError: The site's number, or the cluster as built, does not fit through the underlay.
    """
    narrowest = min(underlays, key=lambda one: one.mtu - one.overhead)
    largest = narrowest.mtu - narrowest.overhead
    if wanted is not None and wanted > largest:
        raise ConfigError(
            f"MTU {wanted} does not fit: '{narrowest.device}' on '{narrowest.server}' has MTU "
            f"{narrowest.mtu}, which leaves {largest} after {narrowest.overhead} of VXLAN.",
            hint=f"Write 'mtu: auto' or at most {largest}, or raise the MTU of the underlay.",
        )
    if wanted is None and built > largest:
        raise ConfigError(
            f"The cluster was built with MTU {built}, and '{narrowest.device}' on "
            f"'{narrowest.server}' has MTU {narrowest.mtu} now, which leaves {largest}.",
            hint=f"Set MTU {built + narrowest.overhead} there again (on '{narrowest.server}': ip "
            f"link set dev {narrowest.device} mtu {built + narrowest.overhead}), or write "
            f"'mtu: {largest}' into the site to make the cluster's smaller.",
        )
    return largest if wanted is None else wanted


def hops(cluster: Cluster, server: Server) -> tuple[Hop, ...]:
    """List the interfaces of a server that a guest's frame crosses."""
    if server.role == "switch":
        return (*(Hop(guest.tunnel) for guest in cluster.guests), Hop(cluster.switch_bridge))
    return tuple(
        hop
        for guest in cluster.guests_of(server.name)
        for hop in (
            Hop(guest.tunnel),
            Hop(guest.data_tap, bridge=guest.bridge),
            Hop(guest.bridge),
        )
    )


def plan(have: Sequence[Link], want: Sequence[Hop], mtu: int) -> list[Change]:
    """List the hops whose MTU differs; a tap that is not in its guest's bridge is not ours."""
    links = {link.name: link for link in have}
    return [
        Change(hop.name, link.mtu, mtu)
        for hop in want
        if (link := links.get(hop.name)) and hop.bridge in {None, link.master} and link.mtu != mtu
    ]


def mtu(
    task: Task, cluster: Cluster, *, mtu: int, present: bool = True, dry_run: bool | None = None
) -> Result:
    """Set the MTU of every hop of a server or a guest that has another, and read it back.

    Args:
        task: The Nornir task of a server or a guest.
        cluster: The cluster.
        mtu: MTU of the data network, in bytes of IP packet.
        present: False: nothing to do; an MTU goes with its interface.
        dry_run: True: tell the changes, make none. None: as the run says.

    Returns:
        A result whose `result` is the number of changes.

    Raises:
        FarswitchError: A hop is missing, or does not take the MTU.
    """
    if not present:
        return Result(host=task.host, result=0)
    dry = task.is_dry_run(dry_run)
    if task.host.get(SERVER) is None:
        changes = _guest(shell(task), mtu, dry=dry)
    else:
        changes = _server(task, cluster, mtu, dry=dry)
    diff = "\n".join(str(change) for change in changes)
    return Result(host=task.host, changed=bool(changes), diff=diff, result=len(changes))


def _server(task: Task, cluster: Cluster, wanted: int, *, dry: bool) -> list[Change]:
    server = server_of(task.host)
    want = hops(cluster, server)
    with netlink(task).session() as ipr:
        have = dump(ipr)
        changes = plan(have, want, wanted)
        if dry:
            return changes
        missing = {hop.name for hop in want if not hop.bridge} - {link.name for link in have}
        if missing:
            raise FarswitchError(
                f"Interfaces are missing on '{server.name}': {', '.join(sorted(missing))}.",
                hint="Run the build again: it makes what is missing.",
            )
        for change in changes:
            set_mtu(ipr, change.name, change.wanted)
        wrong = plan(dump(ipr), want, wanted) if changes else []
    _refuse(server.name, wrong)
    return changes


def _guest(guest: Shell, wanted: int, *, dry: bool) -> list[Change]:
    found = _guest_mtu(guest)
    if found == wanted:
        return []
    changes = [Change(DATA_NIC, found, wanted)]
    if not dry:
        try:
            guest.run(["ip", "link", "set", "dev", DATA_NIC, "mtu", str(wanted)])
        except CommandError as error:  # a virtio NIC takes no more than it was started with
            error.hint = f"Shut '{guest.host}' down and build again: it starts with a new NIC."
            raise
        found = _guest_mtu(guest)
        _refuse(guest.host, [Change(DATA_NIC, found, wanted)] if found != wanted else [])
    return changes


def _guest_mtu(guest: Shell) -> int:
    content = guest.read(f"/sys/class/net/{DATA_NIC}/mtu")
    if content is None:
        raise FarswitchError(
            f"Guest '{guest.host}' has no interface '{DATA_NIC}'.",
            hint=f"Look in its console why no NIC was named: virsh console {guest.host}.",
        )
    return int(content)


def _refuse(host: str, wrong: Sequence[Change]) -> None:
    if wrong:
        one = wrong[0]
        raise FarswitchError(
            f"Interface '{one.name}' on '{host}' has MTU {one.found} after it was set to "
            f"{one.wanted}.",
            hint="Something else sets it: look at its bridge's ports and at network managers.",
        )
