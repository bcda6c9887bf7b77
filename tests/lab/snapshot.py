"""Prints all that a cluster could leave on a server, one thing a line; runs there by `python3 -`.

Only what is listed here, with its reason, may differ between two snapshots.
"""

import contextlib
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess
from pathlib import Path

FOLDERS = ("/etc", "/var", "/root", "/home", "/usr/local", "/run", "/tmp", "/dev/shm", "/srv")
VOLATILE_FILES = {
    r"/var/(lib|cache|log)/(apt|dpkg|man-db)(/.*)?": "the machine's packages, seen below",
    r"/var/(log|backups|spool|mail|tmp)/(?!libvirt).*": "the machine's own, seen below",
    r"/var/lib/systemd/.*": "the machine's timers, seen below",
    r"/var/lib/libuuid/.*": "the clock of the machine's UUIDs, seen below",
    r"/var/cache/farswitch(/.*)?": "the controller's images, seen below",
    r"/var/cache/libvirt/qemu/capabilities/.*": "what libvirt found out about QEMU",
    r"/etc/openvswitch/conf\.db": "a log of what its rows ever were; the rows are seen below",
    r"/run/openvswitch/.*": "sockets and numbers of the two daemons, seen below",
    r"/run/libvirt/common/system\.token": "libvirt draws it at each boot",
    r"/run/libvirt(/.*/driver|d)\.pid": "the number of libvirt's process, seen below",
}
VOLATILE_FOLDERS = {
    r"/etc/libvirt/storage(/autostart)?": "libvirt makes them for its first pool",
    r"/var/cache/libvirt/qemu/capabilities": "libvirt makes it for its first domain",
}
"""What lies in them is compared."""
VOLATILE_SYSCTLS = {
    r"net\.netfilter\.nf_conntrack_count": "counts the connections of now",
    r"net\.ipv4\.tcp_fastopen_key": "unreadable or random",
}
LINK_COUNTERS = {"ifindex", "link_index"}
IDLE = ("sshd", "python3 -", "sh ", "/bin/sh", "ps ", "nsenter")
"""Processes of a login, and of this program."""


def lines(*argv):
    """Return the lines that a program prints; none where there is no such program."""
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return ended.stdout.splitlines()


def links():
    for link in json.loads("\n".join(lines("ip", "-j", "-d", "link"))):
        # The kernel's word for a bridge that is up changes once its carrier was looked at.
        link["operstate"] = link["operstate"].replace("UNKNOWN", "UP")
        text = json.dumps({key: link[key] for key in sorted(link) if key not in LINK_COUNTERS})
        yield re.sub(r'"\w+_timer": [\d.]+', "", text)


def addresses():
    for version in ("-4", "-6"):
        for kind in (("address",), ("route", "show", "table", "all"), ("rule",)):
            for one in lines("ip", version, "-o", *kind):
                yield re.sub(r"^\d+: |(valid|preferred)_lft \S+| expires \S+", "", one)


def rules():
    """Yield the rules in their order: of a rule that moved, both places differ."""
    yield from lines("nft", "-s", "list", "ruleset")
    programs = [
        f"{family}-{backend}-save"
        for family in ("iptables", "ip6tables", "ebtables")
        for backend in ("nft", "legacy")
    ]
    for program in programs:
        for one in lines(program):
            if not one.startswith("#"):
                yield f"{program}: " + re.sub(r"\[\d+:\d+\]", "", one).strip()


def settings():
    for one in lines("sysctl", "-a", "-r", r"^net\."):
        if not any(re.match(pattern, one) for pattern in VOLATILE_SYSCTLS):
            yield one


def owner(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def described(path):
    status = path.lstat()
    about = f"{path} {stat.filemode(status.st_mode)} {owner(status.st_uid)}"
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            return f"{about} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    return f"{about} {path.readlink()}" if stat.S_ISLNK(status.st_mode) else about


def files():
    for top in FOLDERS:
        for folder, subfolders, names in os.walk(top):
            here = Path(folder)
            subfolders[:] = [
                name
                for name in subfolders
                if not volatile(here / name) and not (here / name).is_mount()
            ]
            shown = [name for name in subfolders if not matches(here / name, VOLATILE_FOLDERS)]
            for path in (here / name for name in [*shown, *names]):
                if not volatile(path):
                    with contextlib.suppress(FileNotFoundError):
                        yield described(path)


def volatile(path):
    if (path / ".farswitch-lab").exists():  # the machine's labs, seen below
        return True
    return matches(path, VOLATILE_FILES)


def matches(path, patterns):
    return any(re.fullmatch(pattern, str(path)) for pattern in patterns)


def machines():
    for kind in ("list --all", "pool-list --all", "net-list --all", "nwfilter-binding-list"):
        yield from (f"{kind} {one}" for one in lines("virsh", *kind.split()) if one.strip())
    for pool in lines("virsh", "pool-list", "--name"):
        if pool.strip():
            yield from lines("virsh", "vol-list", pool.strip())


def processes():
    for one in lines("ps", "-e", "-o", "args="):
        if not one.startswith(IDLE):
            yield one


def switch_rows():
    for table in ("Bridge", "Port", "Interface", "Controller"):
        for one in lines("ovs-vsctl", "--timeout=5", "--format=csv", "list", table):
            yield f"{table}: {one}"


def main():
    """Print everything; rules in their order, the rest sorted."""
    for about in (links, addresses, settings, files, machines, processes, switch_rows):
        for one in sorted(about()):
            print(about.__name__, one)
    for one in rules():
        print("rules", one)


main()
