"""The files that set the kernel settings again after a reboot: sysctl.d(5) and a udev rule."""

from __future__ import annotations

from collections.abc import Mapping

from farswitch.errors import ForeignObjectError

WANTED = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
    "net.bridge.bridge-nf-filter-pppoe-tagged": "0",
    "net.bridge.bridge-nf-filter-vlan-tagged": "0",
    "net.bridge.bridge-nf-pass-vlan-input-dev": "0",
}
SYSCTL_FILE = "/etc/sysctl.d/99-farswitch.conf"
UDEV_FILE = "/etc/udev/rules.d/99-farswitch.rules"
FOLDERS = ("/etc/sysctl.d", "/etc/udev/rules.d", "/etc/udev")
"""Folders that we make where they are missing, an inner one before its outer one."""
_HEADER = "# Written by farswitch for these clusters; the last teardown removes it."
_MARK = "# farswitch:"


def render(owners: frozenset[str]) -> dict[str, str]:
    """Return the content of both files for these clusters."""
    marks = " ".join(f"farswitch:{owner}" for owner in sorted(owners))
    head = f"{_HEADER}\n# {marks}\n"
    settings = "".join(f"{key} = {value}\n" for key, value in WANTED.items())
    rule = (
        'ACTION=="add", SUBSYSTEM=="module", KERNEL=="br_netfilter", '
        f'RUN+="/sbin/sysctl -e -q -p {SYSCTL_FILE}"\n'
    )
    return {SYSCTL_FILE: head + settings, UDEV_FILE: head + rule}


def owners_of(files: Mapping[str, str], server: str) -> frozenset[str]:
    """Return the clusters that our files name.

    Raises:
        ForeignObjectError: A file of our name lacks our mark.
    """
    owners: frozenset[str] = frozenset()
    for path, content in files.items():
        found = owners_in(content)
        if not found:
            raise ForeignObjectError(
                "File", path, server, hint="Remove it, or give it another name."
            )
        owners |= found
    return owners


def owners_in(content: str) -> frozenset[str]:
    """Return the clusters that a file's content names; none if it is not ours."""
    marks = [line for line in content.splitlines() if line.startswith(_MARK)]
    words = marks[0].removeprefix("# ").split() if marks else []
    return frozenset(word.partition(":")[2] for word in words)


def stale(files: Mapping[str, str], owners: frozenset[str]) -> dict[str, str | None]:
    """Return the files to write, or with None to remove, so that they are right for `owners`."""
    wanted = render(owners)
    if not owners:
        return dict.fromkeys(files)
    return {path: text for path, text in wanted.items() if files.get(path) != text.strip("\n")}


def undone_by(line: str) -> str | None:
    """Return a warning when another file's setting wins over ours after a reboot.

    Files of sysctl.d(5) are read in the order of their names; sysctl(8) reads
    /etc/sysctl.conf last.
    """
    path, _, setting = line.partition(" ")
    key, _, value = setting.partition("=")
    key, value = key.strip().lstrip("-").replace("/", "."), value.strip()
    last = path == "/etc/sysctl.conf" or path.rpartition("/")[2] > SYSCTL_FILE.rpartition("/")[2]
    if not last or WANTED.get(key, value) == value:
        return None
    return f"{key} will be {value} after a reboot, until the next build: '{path}' says so."
