"""What a member's disk holds and what its boot starts: the server as its administrator left it.

Hostile on purpose: the firewall drops what no rule accepts, and bridged frames are shown to it.
"""

from __future__ import annotations

import os
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from farswitch.lab.addresses import CONTROL_NIC, Lab, Member
from farswitch.lab.keys import host_key, public
from farswitch.remote import shell_command

EMPTIED = (
    "/etc/iptables",
    "/etc/libvirt/qemu",
    "/etc/libvirt/secrets",
    "/etc/libvirt/storage",
    "/etc/openvswitch",
    "/etc/sysctl.d",
    "/home",
    "/root",
    "/var/lib/farswitch",
    "/var/lib/libvirt/dnsmasq",
    "/var/lib/libvirt/images",
    "/var/lib/libvirt/qemu",
    "/var/lib/openvswitch",
    "/var/log/libvirt/qemu",
    "/var/log/openvswitch",
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


VSWITCHD = ("/usr/sbin/ovs-vswitchd", "/usr/lib/openvswitch-switch/ovs-vswitchd")
"""Debian's package makes the first one when it is configured: a link to one of several programs."""
OVSDB = "/run/openvswitch/db.sock"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerFile(_Part):
    """A file of the member's disk."""

    path: str
    content: str
    mode: int = 0o644


class Service(_Part):
    """A program that the member's first process keeps running."""

    name: str
    argv: tuple[str, ...]


class ServerSpec(_Part):
    """All that the member's first process must know; it gets it as JSON."""

    hostname: str
    storage: str
    hidden: str
    emptied: tuple[str, ...]
    files: tuple[ServerFile, ...]
    boot: tuple[tuple[str, ...], ...]
    services: tuple[Service, ...]


def spec(lab: Lab, member: Member) -> ServerSpec:
    """Return what a member is made of; the lab's keys must have been made."""
    services = [_service("sshd", "-D", "-e")]
    boot: list[tuple[str, ...]] = []
    if member.hypervisor:
        services += [_service("virtlogd"), _service("libvirtd")]
    elif vswitchd := next(filter(os.path.exists, VSWITCHD), ""):
        boot = [tuple(shell_command("openvswitch_database"))]
        services += _openvswitch(vswitchd)
    return ServerSpec(
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
            *boot,
        ),
        services=tuple(services),
    )


def _service(name: str, *options: str) -> Service:
    return Service(name=name, argv=(f"/usr/sbin/{name}", *options))


def _openvswitch(vswitchd: str) -> list[Service]:
    """Return its two daemons; the second one waits for the first."""
    quiet = ("--pidfile", "-vconsole:warn", "-vsyslog:off")
    database = _service(
        "ovsdb-server", "/etc/openvswitch/conf.db", f"--remote=punix:{OVSDB}", *quiet
    )
    daemon = Service(name="ovs-vswitchd", argv=(vswitchd, f"unix:{OVSDB}", *quiet))
    return [database, daemon]


def _file(path: str, content: str, mode: int = 0o644) -> ServerFile:
    return ServerFile(path=path, content=content, mode=mode)


def _files(lab: Lab, member: Member) -> tuple[ServerFile, ...]:
    return (
        _file("/etc/hostname", f"{member.name}\n"),
        _file("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {member.name}\n::1 localhost\n"),
        _file("/etc/fstab", ""),
        _file("/etc/machine-id", f"{uuid4().hex}\n", 0o444),  # libvirt takes two with one as one
        _file("/etc/sysctl.d/10-lab.conf", SYSCTL),
        _file("/etc/iptables/rules.v4", FIREWALL),
        _file("/etc/iptables/rules.v6", FIREWALL),
        _file("/etc/ssh/sshd_config", SSHD),
        _file("/etc/ssh/lab_host_key", host_key(lab, member).read_text(), 0o600),
        _file("/root/.ssh/authorized_keys", f"{public(lab.key)}\n", 0o600),
        _file("/etc/libvirt/libvirt.conf", ""),
        _file("/etc/libvirt/libvirtd.conf", LIBVIRTD),
        _file("/etc/libvirt/virtlogd.conf", ""),
        _file("/etc/libvirt/qemu.conf", QEMU, 0o600),
    )
