"""The files that set the kernel settings again after a reboot: sysctl.d(5) and a udev rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from farswitch.errors import ForeignObjectError
from farswitch.sysctl.coupled import ALIAS, SWITCH

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


_SWAPPED = str.maketrans("./", "/.")


def path_of(key: str) -> str:
    """Return where a setting lies below /proc/sys; of `eth0.5`, its key has `eth0/5`: sysctl(8)."""
    return key.translate(_SWAPPED)


def key_of(path: str) -> str:
    """Return the key of a setting by its path below /proc/sys."""
    return path.translate(_SWAPPED)


def parse_setting(line: str) -> tuple[str, str]:
    """Return key (or pattern) and value of a line of sysctl.d(5); its first separator counts.

    The key of what has two is that of `WANTED`.
    """
    name, _, value = line.partition("=")
    name = name.strip().lstrip("-").strip()
    first = next((letter for letter in name if letter in "./"), ".")
    key = key_of(name) if first == "/" else name
    return SWITCH if key == ALIAS else key, value.strip()


def declared(lines: Iterable[str], keys: Iterable[str]) -> dict[str, str]:
    """Return what the last of these lines, each behind its file's path, says of each of the keys.

    A pattern counts only for keys that no line names: sysctl.d(5).
    """
    ordered = sorted(lines, key=lambda line: _order(line.partition(" ")[0]))
    named = dict(parse_setting(line.partition(" ")[2]) for line in ordered)
    patterns = [name for name in named if "*" in name]
    found = {}
    for key in keys:
        names = [key, *(one for one in reversed(patterns) if fnmatchcase(key, one))]
        if name := next((one for one in names if one in named), None):
            found[key] = named[name]
    return found


def undone_by(line: str) -> str | None:
    """Return a warning when another file's setting wins over ours after a reboot.

    Files of sysctl.d(5) are read in the order of their names; sysctl(8) reads
    /etc/sysctl.conf last.
    """
    path, _, setting = line.partition(" ")
    key, value = parse_setting(setting)
    if _order(path) <= _order(SYSCTL_FILE) or WANTED.get(key, value) == value:
        return None
    return f"{key} will be {value} after a reboot, until the next build: '{path}' says so."


def _order(path: str) -> tuple[bool, str]:
    return path == "/etc/sysctl.conf", path.rpartition("/")[2]
