"""What somebody else has on the servers, of each kind that farswitch makes too.

Its links make no IPv6 addresses: those come late, and look like a change.
"""

from __future__ import annotations

from farswitch.lab import container
from farswitch.lab.addresses import Lab

BOOT = """
ip link add theirs0 address 02:fe:77:00:00:00 type bridge
ip link set theirs0 addrgenmode none
ip address add 100.64.77.1/24 dev theirs0
ip link set theirs0 alias 'of somebody else' up
ip link add theirs1 address 02:fe:77:00:00:01 type vxlan id 77 dstport 4789 dev eth1 remote "$1"
ip link set theirs1 addrgenmode none
ip link set theirs1 master theirs0 up
nft -f - <<'END'
table inet theirs {
  set them { type ipv4_addr; elements = { 100.64.77.7, 100.64.77.8 } }
  chain called {
    ip saddr @them counter drop comment "ours, not yours"
  }
  chain input {
    type filter hook input priority 5; policy accept;
    tcp dport 7 jump called
    udp dport 9 counter drop
  }
}
table netdev theirs {
  chain in {
  }
}
END
ebtables-nft -A FORWARD -s 02:00:00:00:00:01 -j DROP
ebtables-nft -N theirs
ebtables-nft -A INPUT -p ARP -j theirs
iptables-nft -t mangle -A PREROUTING -p tcp --dport 7 -j MARK --set-mark 7
"""
"""What their boot scripts make, each time."""
DISK = """
umask 022
printf '%s\n' '# farswitch has nothing to do with this' 'net.ipv4.ip_forward = 0' \
    >/etc/sysctl.d/50-theirs.conf
printf '# theirs\n' >/etc/sysctl.d/99-farswitched.conf
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA not of farswitch' >>/root/.ssh/authorized_keys
mkdir -p /var/lib/farswitch-theirs
echo theirs >/var/lib/farswitch-theirs/journal.json
"""
HYPERVISOR = """
umask 022
mkdir -p /var/lib/libvirt/images/theirs
virsh -q pool-create-as theirs dir --target /var/lib/libvirt/images/theirs
virsh -q vol-create-as theirs base-own-0123456789abcdef.qcow2 1M --format qcow2
virsh -q vol-create-as theirs fst.node1.1.qcow2 1M --format raw
virsh -q define /dev/stdin
"""
DOMAIN = """
<domain type='qemu'>
  <name>fst-theirs</name><memory unit='MiB'>32</memory>
  <metadata><theirs:mark xmlns:theirs='urn:somebody' cluster='fst'/></metadata>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
"""


def plant(lab: Lab) -> None:
    """Make foreign objects on both servers of a lab, under names that are close to ours."""
    for name, pid in container.find(lab).items():
        boot(lab, name)
        container.execute(pid, ["sh", "-eu", "-c", DISK])
    server = container.find(lab)["server1"]
    container.execute(server, ["sh", "-eu", "-c", HYPERVISOR], stdin=DOMAIN)


def boot(lab: Lab, server: str) -> None:
    """Make what does not outlive a reboot of a server."""
    far = next(one for one in lab.members if one.name != server)
    argv = ["sh", "-eu", "-c", BOOT, "boot", str(lab.underlay_address(far).ip)]
    container.execute(container.find(lab)[server], argv)
