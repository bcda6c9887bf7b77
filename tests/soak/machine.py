"""A server of its own kernel with systemd: a virtual machine on the wires of a lab.

Its kernel is Debian's: it has what this machine's may lack, as netem and Open vSwitch's datapath.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface

from bench.guests import RunningGuest, identity
from bench.testbed import Testbed, open_testbed
from farswitch.connections.shell.keys import KeyPair
from farswitch.deadline import Deadline
from farswitch.image.build import BuiltImage, build
from farswitch.image.recipe import recipe
from farswitch.image.seed import Seed
from farswitch.lab import bridges, keys
from farswitch.lab.addresses import Lab
from farswitch.lab.run import run
from farswitch.model.guest_file import File

NUMBER = 13
"""The last part of the machine's addresses; members of the lab have 11 and 12."""
DESK = 201
"""That of the namespace that the machine is started in, and looked at from."""
BOOT_SECONDS = 400.0
PACKAGES = ("openvswitch-switch",)
"""What it has beside a guest's: its daemons run, as Debian starts them."""
SLOW = {"netplan-ovs-cleanup.service"}
"""Units that may fail: it has ten seconds, which emulation does not always give it, and nothing to
clean."""
RULES = """\
#!/usr/sbin/nft -f
flush ruleset
table inet theirs {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname "mgmt0" tcp dport 22 accept
  }
}
"""
"""Of the machine's administrator: nothing comes in from the underlay. In force at each boot."""
STATE = r"""
ip -br link | awk '{print "link", $1}'
nft list ruleset
find /etc/sysctl.d /etc/modules-load.d /var/lib/farswitch /run/farswitch* /etc/nftables.conf \
    -type f -exec sha256sum {} + 2>/dev/null | sort
systemctl list-units --all --plain --no-legend 'farswitch*' '*deadman*'
sysctl -a 2>/dev/null | grep -E '^net.(ipv4.ip_forward|bridge)'
for table in Bridge Port Interface; do ovs-vsctl --columns=name,external_ids list $table; done
tc qdisc show | sed 's/refcnt.*//'
"""


@dataclass
class Machine:
    """One that runs; `addresses` are on the underlay and on the control subnet."""

    bed: Testbed
    image: BuiltImage
    seed: Seed
    addresses: tuple[IPv4Interface, ...]
    guest: RunningGuest

    def run(self, command: str) -> str:
        """Run a line of shell there that must end well."""
        ended = self.bed.run(self.guest, command)
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def state(self) -> list[str]:
        """Return what a cluster must leave as it was."""
        return self.run(STATE).splitlines()

    def settings(self) -> list[str]:
        """Return the kernel settings among that."""
        return [line for line in self.state() if line.startswith("net.")]

    def cut(self) -> None:
        """Take the power away."""
        self.run("sync")
        self.guest.stop()

    def boot(self) -> None:
        """Start it from its disk."""
        disk = self.bed.folder / f"{self.seed.instance_id}.qcow2"
        self.guest = self.bed.start(self.image, self.seed, disk=disk)
        self.rest()

    def rest(self) -> None:
        """Wait until the boot is over."""
        self.bed.wait_ready(self.guest, Deadline(BOOT_SECONDS))
        self.run("systemctl is-system-running --wait || true")
        failed = set(self.run("systemctl --failed --no-legend --plain | cut -d' ' -f1").split())
        assert failed <= SLOW


@contextmanager
def machine(lab: Lab) -> Iterator[Machine]:
    """Start one on both bridges of a lab that is up; root's key is the lab's.

    It is a stock tree: one with udev, which applies settings when a module comes.
    """
    made, public = recipe(), keys.public(lab.key)
    image = build(replace(made, packages=(*made.packages, *PACKAGES)), stock=True)
    with (
        open_testbed(keys=KeyPair(private=lab.key.read_text(), public=public)) as bed,
        ExitStack() as stack,
    ):
        for bridge, where in (("b0", bridges.UNDERLAY), ("b1", bridges.CONTROL)):
            stack.enter_context(_plugged(lab, bed, bridge, where))
        desk = f"{lab.control[DESK]}/{lab.control.prefixlen}"
        run(["ip", "-n", bed.name, "address", "add", desk, "dev", "b1"])
        rules = File("/etc/nftables.conf", RULES.encode(), 0o755)
        seed = identity(NUMBER - 10, public, (rules,))
        addresses = tuple(
            IPv4Interface(f"{subnet[NUMBER]}/{subnet.prefixlen}")
            for subnet in (lab.underlay, lab.control)
        )
        nics = tuple(
            replace(nic, address=address, mtu=None)
            for nic, address in zip(seed.nics, addresses, strict=True)
        )
        seed = replace(seed, nics=nics)
        found = Machine(bed, image, seed, addresses, bed.start(image, seed))
        found.rest()
        found.run("systemctl enable --now --quiet nftables.service")
        yield found


@contextmanager
def _plugged(lab: Lab, bed: Testbed, bridge: str, where: str) -> Iterator[None]:
    """Join a bridge of the bed to one of the lab's."""
    inside, outside = ["ip", "-n", bed.name], [*bridges.within(lab), "ip"]
    far, near = f"far{bridge}", f"{bridge}far"
    run([*inside, "address", "flush", "dev", bridge])
    run([*inside, "link", "set", bridge, "type", "bridge", "mcast_snooping", "0"])
    run([*outside, "link", "add", far, "master", where, "up", "type", "veth", "peer", "name", near,
         "netns", f"/run/netns/{bed.name}"])  # fmt: skip
    run([*inside, "link", "set", near, "master", bridge, "up"])
    try:
        yield
    finally:
        run([*outside, "link", "del", far])  # the end of a namespace takes its links later
