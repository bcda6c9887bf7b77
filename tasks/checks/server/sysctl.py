"""Has each kernel setting the value that the data path needs: now, and after a reboot?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.base import Shell
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.proof.fixes import Fixes
from farswitch.proof.probe import Probe, of_each
from farswitch.remote import shell_command
from farswitch.sysctl.converge import observe
from farswitch.sysctl.coupled import SWITCH
from farswitch.sysctl.files import SYSCTL_FILE, UDEV_FILE, WANTED, owners_in, parse_setting, stale
from farswitch.sysctl.plan import SysctlState

NAME = "server.sysctl"


@dataclass(frozen=True, slots=True)
class Setters:
    """Who may have set the values: whether Docker runs, and lines of files of sysctl.d(5)."""

    docker: bool = False
    lines: tuple[tuple[str, str, str], ...] = ()
    """Path, key and value."""

    @classmethod
    def parse(cls, text: str) -> Setters:
        """Read what the script printed."""
        lines = []
        for line in text.splitlines():
            path, _, setting = line.partition(" ")
            if "=" in setting:
                lines.append((path, *parse_setting(setting)))
        return cls("DOCKER" in text.splitlines(), tuple(lines))


def cause_of(key: str, value: str, who: Setters) -> str:
    """Return the sentence that says who usually sets a key to a value; pure."""
    for path, name, set_to in who.lines:
        if (name, set_to) == (key, value) and path != SYSCTL_FILE:
            return f"'{path}' says so: somebody applied it (sysctl --system) after the build."
    if key == SWITCH:
        return "Somebody, or a network manager at its start, switched routing off."
    if who.docker:
        return "Docker runs here: at its start it loads br_netfilter and sets this to 1."
    return (
        "br_netfilter was loaded again (it starts with 1), or Docker, Kubernetes or libvirt's "
        "tools set it at their start."
    )


def judge(
    server: str, cluster: str, have: SysctlState, who: Setters, fixes: Fixes
) -> Iterator[Check]:
    """Yield one verdict a setting and a file."""
    for key, want in WANTED.items():
        value = have.values.get(key)
        later = next((one for one in have.later if one.startswith(f"{key} ")), "")
        absent = value is None and key != SWITCH
        shown = "not there: br_netfilter is not loaded" if absent else value or "not there"
        yield Check(
            name=NAME,
            host=server,
            ok=absent or value == want,
            measured=f"{key} = {shown}{f' ({later})' if later else ''}",
            expected=f"{key} = {want}",
            cause=cause_of(key, str(value), who),
            fix=fixes.rebuild,
        )
    for path in (SYSCTL_FILE, UDEV_FILE):
        fault = file_fault(path, have.files.get(path), cluster)
        foreign = path in have.files and not owners_in(have.files[path])
        yield Check(
            name=NAME,
            host=server,
            ok=not fault,
            measured=f"{path}: {fault or 'as written'}",
            expected=f"{path}: as written for '{cluster}'",
            cause="Somebody removed or edited it since the build: a reboot, or a later load of "
            "br_netfilter, sets other values.",
            fix=fixes.then_build(["rm", path]) if foreign else fixes.rebuild,
        )


def file_fault(path: str, found: str | None, cluster: str) -> str:
    """Return what is wrong with one of our files, or nothing; pure."""
    if found is None:
        return "not there"
    owners = owners_in(found)
    if not owners:
        return "not of farswitch"
    if cluster not in owners:
        return f"does not name '{cluster}'"
    return "does not say the same" if path in stale({path: found}, owners) else ""


def setters(login: Shell) -> Setters:
    """Read who may have set the values."""
    return Setters.parse(login.run(shell_command("sysctl_setters")).stdout)


def look(task: Task, _context: Context) -> tuple[SysctlState, Setters]:
    """Read the settings and files of a server, and who may have set them."""
    login = shell(task)
    return observe(login), setters(login)


def verdicts(context: Context, server: str, found: tuple[SysctlState, Setters]) -> Iterator[Check]:
    """Yield the verdicts on a server's settings and files."""
    return judge(server, context.cluster.name, *found, Fixes.of(context, server))


PROBE = Probe(
    "servers",
    {NAME: "Each kernel setting has its value, and the file for a reboot says so."},
    of_each("servers", look, verdicts),
)
