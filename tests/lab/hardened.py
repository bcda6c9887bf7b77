"""Settings of hardened servers (CIS Benchmarks for Linux, 3.3), for the lab's servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from farswitch.lab import container
from farswitch.lab.addresses import Lab

FILE = "/etc/sysctl.d/60-hardened.conf"
SETTINGS = """\
net.ipv4.ip_forward = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.default.accept_source_route = 0
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.secure_redirects = 0
net.ipv4.conf.default.secure_redirects = 0
net.ipv4.conf.all.log_martians = 1
net.ipv4.conf.default.log_martians = 1
net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.default.rp_filter = 1
net.ipv4.icmp_echo_ignore_broadcasts = 1
net.ipv4.icmp_ignore_bogus_error_responses = 1
net.ipv6.conf.all.forwarding = 0
net.ipv6.conf.all.accept_source_route = 0
net.ipv6.conf.default.accept_source_route = 0
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.ipv6.conf.all.accept_ra = 0
net.ipv6.conf.default.accept_ra = 0
net.ipv4.conf.eth0.accept_redirects = 0
net.ipv4.conf.eth1.accept_redirects = 0
net.ipv4.conf.eth0.send_redirects = 0
net.ipv4.conf.eth1.send_redirects = 0
net.ipv4.conf.eth1.forwarding = 1
"""


@contextmanager
def hardened(lab: Lab) -> Iterator[None]:
    """Harden both servers of a lab; afterwards they have their settings from before."""
    kept = {}
    for name, pid in container.find(lab).items():
        kept[name] = container.execute(pid, ["sysctl", "-a", "-r", r"^net\.ipv[46]\.(conf|icmp)"])
        container.execute(pid, ["tee", FILE], stdin=SETTINGS)
        container.execute(pid, ["sysctl", "-e", "-q", "-p", FILE])
    try:
        yield
    finally:
        for name, pid in container.find(lab).items():
            container.execute(pid, ["rm", FILE])
            container.execute(pid, ["sysctl", "-e", "-q", "-p", "-"], stdin=kept[name])


def weakened(lab: Lab) -> list[str]:
    """Return the hardened servers' settings that are not as hardened, but for forwarding."""
    wanted = dict(line.split(" = ") for line in SETTINGS.splitlines())
    found = []
    for name, pid in container.find(lab).items():
        for key, value in wanted.items():
            now = container.execute(pid, ["sysctl", "-n", key]).strip()
            if now != value and key != "net.ipv4.ip_forward":
                found.append(f"{name}: {key} = {now}")
    return found
