"""What every server needs: programs, a Python, and what its kernel has to make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farswitch.errors import Obstacle

OLDEST_PYTHON = (3, 8)
"""What our programs on servers are written for."""
TOOLS = ("nft", "python3", "ip", "unshare", "sysctl", "find")
"""Programs that every server needs."""
DEBIAN, REDHAT = "Debian and Ubuntu", "RHEL and Fedora"
_INSTALL = {DEBIAN: "apt install", REDHAT: "dnf install"}
_PACKAGES = {
    "nft": ("nftables", "nftables"),
    "python3": ("python3", "python3"),
    "ip": ("iproute2", "iproute"),
    "unshare": ("util-linux", "util-linux"),
    "sysctl": ("procps", "procps-ng"),
    "find": ("findutils", "findutils"),
    "qemu-img": ("qemu-utils qemu-system-x86", "qemu-img qemu-kvm"),
}
"""The package of a program, on Debian and Ubuntu and on RHEL and Fedora."""
_MODULES = {"bridge": "bridge", "vxlan": "vxlan", "nftables": "nf_tables"}
"""The module of what a kernel has to make."""
_MODULE_PACKAGES = {
    DEBIAN: "on Ubuntu: apt install linux-modules-extra-{release}; on Debian: apt install "
    "linux-image-amd64, and reboot",
    REDHAT: "dnf install kernel-modules-{release}",
}


@dataclass(frozen=True, slots=True)
class ServerSystem:
    """What `preflight.sh` printed of a server's system.

    Attributes:
        uid: Whom the login is.
        distribution: `DEBIAN`, `REDHAT` or "".
        missing: Programs that it has not got.
        python: What `python3` reports as its version, or its words.
        platform_python: It has the Python of RHEL's own programs.
        kernel: What the kernel does not make, and the words of the program that tried.
        release: The kernel's.
        no_modules: The folder of this kernel's modules is not there.
        no_loading: The kernel loads no more modules until it is booted.
        forbidden: Modules that modprobe does not load, and the line that says so, with its file.
        filters: The versions of nft and iptables, where they are there.
    """

    uid: int
    distribution: str
    missing: tuple[str, ...]
    python: str
    platform_python: bool
    kernel: Mapping[str, str]
    release: str
    no_modules: bool
    no_loading: bool
    forbidden: Mapping[str, str]
    filters: Mapping[str, str]

    @property
    def versions(self) -> dict[str, str]:
        """Those of the kernel and of the programs, by their names."""
        return {"kernel": self.release, "Python": self.python, **self.filters}


def system(text: str) -> ServerSystem:
    """Read what `preflight.sh` printed."""
    pairs = [(word, value.strip()) for word, _, value in map(_parted, text.splitlines())]
    single = dict(pairs)
    names = set(single.get("system", "").split())
    families = ((DEBIAN, {"debian", "ubuntu"}), (REDHAT, {"rhel", "fedora", "centos"}))
    modules = {value for word, value in pairs if word == "modules"}
    return ServerSystem(
        uid=int(single["uid"]),
        distribution=next((family for family, ids in families if ids & names), ""),
        missing=tuple(value for word, value in pairs if word == "missing"),
        python=single.get("python", ""),
        platform_python="python-elsewhere" in single,
        kernel=_by_first_word(value for word, value in pairs if word == "kernel"),
        release=single.get("release", ""),
        no_modules="away" in modules,
        no_loading="disabled" in modules,
        forbidden=_by_first_word(value for word, value in pairs if word == "forbidden"),
        filters={
            name: words.partition(" ")[2].removeprefix("v")  # behind the program's own name
            for name, words in _by_first_word(
                value for word, value in pairs if word == "version"
            ).items()
        },
    )


def lacks(server: str, have: ServerSystem) -> Iterator[Obstacle]:
    """Yield what a server lacks of programs and of its kernel, each with what brings it."""
    if have.missing:
        yield Obstacle(
            f"Programs are missing on '{server}': {', '.join(have.missing)}.",
            _install(have, have.missing),
        )
    if "python3" not in have.missing and (why := _unfit(have.python)):
        yield Obstacle(f"'python3' on '{server}' {why}.", _newer_python(have))
    if have.uid == 0:
        for name, words in have.kernel.items():
            yield _no_kernel(server, have, name, words)


def has_python(have: ServerSystem) -> bool:
    """Tell whether our programs run on a server."""
    return "python3" not in have.missing and not _unfit(have.python)


def _parted(line: str) -> tuple[str, str, str]:
    return line.strip().partition(" ")


def _by_first_word(values: Iterator[str]) -> dict[str, str]:
    return {name: words.strip() for name, _, words in map(_parted, values)}


def _unfit(version: str) -> str:
    """Return why a Python cannot run our programs, or ""."""
    major, _, minor = version.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        return f"does not start: {version or 'it printed nothing'}"
    if (int(major), int(minor)) < OLDEST_PYTHON:
        return f"is {version}, wanted at least {'.'.join(map(str, OLDEST_PYTHON))}"
    return ""


def _install(have: ServerSystem, programs: Sequence[str]) -> str:
    lines = []
    for at, (family, verb) in enumerate(_INSTALL.items()):
        known = [_PACKAGES[program][at] for program in programs if program in _PACKAGES]
        if known and have.distribution in {"", family}:
            lines.append(f"On {family}: {verb} {' '.join(known)}")
    return ". ".join(lines) or f"Install {', '.join(programs)} there."


def _newer_python(have: ServerSystem) -> str:
    if have.distribution == REDHAT:
        return (
            "dnf install python3.11, then: alternatives --set python3 /usr/bin/python3.11"
            + " (RHEL keeps /usr/libexec/platform-python for its own programs)"
            * have.platform_python
        )
    return "Install a newer one there, so that 'python3 --version' reports it."


def _no_kernel(server: str, have: ServerSystem, name: str, words: str) -> Obstacle:
    """Return the obstacle of what a kernel does not make, by the first cause that is known."""
    module = _MODULES.get(name, name)
    what = f"The kernel of '{server}' ({have.release}) makes no {name}: {words or 'no reason'}"
    if words.startswith("unshare:"):
        return Obstacle(
            f"'{server}' does not let root try what its kernel can: {words}.",
            "If it is a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN; else look at its "
            "user.max_net_namespaces: sysctl user.max_net_namespaces",
        )
    if have.no_loading:
        return Obstacle(
            f"{what}, and it loads no more modules (kernel.modules_disabled is 1).",
            f"Have it loaded early: echo {module} >>/etc/modules-load.d/farswitch.conf, and reboot "
            f"'{server}'.",
        )
    if module in have.forbidden:
        file, _, line = have.forbidden[module].partition(":")
        return Obstacle(
            f"{what}, and '{file}' forbids its module: {line}.",
            f"Take that line out of {file} there, and run: modprobe {module}",
        )
    if have.no_modules:
        return Obstacle(
            f"{what}, and /lib/modules/{have.release} is not there: the kernel was upgraded since "
            "the boot, or has no modules.",
            f"Reboot '{server}'; if it then is the same, take a kernel with {module}.",
        )
    packages = _MODULE_PACKAGES.get(have.distribution) or "; ".join(_MODULE_PACKAGES.values())
    return Obstacle(
        f"{what}.",
        f"Load it: modprobe {module}. If there is none for {have.release}: "
        + packages.format(release=have.release),
    )
