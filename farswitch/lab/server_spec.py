"""What a member's disk holds and what its boot starts: the server as its administrator left it.

Hostile on purpose: the firewall drops what it was not told of, and bridged frames are shown to it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from uuid import uuid4

from farswitch.lab.addresses import CONTROL_NIC, Lab, Member
from farswitch.lab.keys import host_key, public

EMPTIED = (
    "/etc/iptables",
    "/etc/libvirt/qemu",
    "/etc/libvirt/secrets",
    "/etc/libvirt/storage",
    "/etc/sysctl.d",
    "/home",
    "/root",
    "/var/lib/farswitch",
    "/var/lib/libvirt/dnsmasq",
    "/var/lib/libvirt/images",
    "/var/lib/libvirt/qemu",
    "/var/log/libvirt/qemu",
)
"""Folders of the machine that would have an effect in a member, or are nobody's business there."""

SSHD = """\
AddressFamily inet
HostKey /etc/ssh/lab_host_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PermitUserRC no
Subsystem sftp internal-sftp
"""

SYSCTL = """\
net.ipv4.ip_forward = 0
net.ipv6.conf.all.forwarding = 0
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.bridge.bridge-nf-call-arptables = 1
"""

FIREWALL = f"""\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i {CONTROL_NIC} -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""

# Not systemd's: no socket activation, hence no polkit either; the socket's group and mode guard it.
LIBVIRTD = """\
auth_unix_rw = "none"
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
host_uuid_source = "machine-id"
"""

# No cgroup is mounted in a member, and no AppArmor to be seen; /dev is the member's own already.
QEMU = """\
security_driver = "none"
cgroup_controllers = []
namespaces = []
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the member's disk."""

    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Service:
    """A program that the member's first process keeps running."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """All that the member's first process must know."""

    hostname: str
    storage: str
    hidden: str
    emptied: tuple[str, ...]
    files: tuple[File, ...]
    boot: tuple[tuple[str, ...], ...]
    services: tuple[Service, ...]

    def dump(self) -> str:
        """Return the text that `load` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Spec:
        """Return what was dumped."""
        raw = json.loads(text)
        return cls(
            hostname=raw["hostname"],
            storage=raw["storage"],
            hidden=raw["hidden"],
            emptied=tuple(raw["emptied"]),
            files=tuple(File(**file) for file in raw["files"]),
            boot=tuple(tuple(argv) for argv in raw["boot"]),
            services=tuple(Service(s["name"], tuple(s["argv"])) for s in raw["services"]),
        )


def spec(lab: Lab, member: Member) -> Spec:
    """Return what a member is made of; the lab's keys must have been made."""
    services = [Service("sshd", ("/usr/sbin/sshd", "-D", "-e"))]
    if member.hypervisor:
        services += [
            Service("virtlogd", ("/usr/sbin/virtlogd",)),
            Service("libvirtd", ("/usr/sbin/libvirtd",)),
        ]
    return Spec(
        hostname=member.name,
        storage=str(lab.storage(member)),
        hidden=str(lab.state),
        emptied=EMPTIED,
        files=_files(lab, member),
        boot=(
            ("ip", "link", "set", "lo", "up"),
            # By a shell for its pattern; -e passes over keys of modules that are not loaded.
            ("sh", "-c", "exec sysctl -e -q -p /etc/sysctl.d/*.conf"),
            ("iptables-nft-restore", "/etc/iptables/rules.v4"),
            ("ip6tables-nft-restore", "/etc/iptables/rules.v6"),
        ),
        services=tuple(services),
    )


def _files(lab: Lab, member: Member) -> tuple[File, ...]:
    return (
        File("/etc/hostname", f"{member.name}\n"),
        File("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {member.name}\n::1 localhost\n"),
        File("/etc/fstab", ""),
        File("/etc/machine-id", f"{uuid4().hex}\n", 0o444),  # libvirt takes two with one as one
        File("/etc/sysctl.d/10-lab.conf", SYSCTL),
        File("/etc/iptables/rules.v4", FIREWALL),
        File("/etc/iptables/rules.v6", FIREWALL),
        File("/etc/ssh/sshd_config", SSHD),
        File("/etc/ssh/lab_host_key", host_key(lab, member).read_text(), 0o600),
        File("/root/.ssh/authorized_keys", f"{public(lab.key)}\n", 0o600),
        File("/etc/libvirt/libvirt.conf", ""),
        File("/etc/libvirt/libvirtd.conf", LIBVIRTD),
        File("/etc/libvirt/virtlogd.conf", ""),
        File("/etc/libvirt/qemu.conf", QEMU, 0o600),
    )
