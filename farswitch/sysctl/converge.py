"""Reading and writing the kernel settings that the data path needs."""

from __future__ import annotations

from farswitch.connections.shell.base import Shell
from farswitch.errors import FarswitchError
from farswitch.remote import script
from farswitch.state.journal import FOLDER, load, store, stored
from farswitch.state.saved_settings import Journal
from farswitch.sysctl.coupled import COUPLED, is_coupled
from farswitch.sysctl.files import (
    SYSCTL_FILE,
    UDEV_FILE,
    WANTED,
    declared,
    key_of,
    path_of,
    undone_by,
)
from farswitch.sysctl.plan import Plan, SysctlState, plan_absent, plan_present

_OBSERVE = script("sysctl_read")
_WRITE = script("sysctl_write")


def converge(
    shell: Shell,
    cluster: str,
    *,
    have: SysctlState | None = None,
    present: bool = True,
    dry_run: bool = False,
    folder: str = FOLDER,
) -> Plan:
    """Converge the settings for a cluster, or restore what they were; `folder` is the journal's."""
    book = load(shell, folder=folder)
    have = have or observe(shell)
    make = plan_present if present else plan_absent
    plan = make(have, book, cluster, server=shell.host)
    if not dry_run:
        for path in () if present else {SYSCTL_FILE, UDEV_FILE} - have.files.keys():
            shell.remove(path)  # a power cut may have left one that was half-written
        _apply(shell, plan, folder)
    return plan


def observe(shell: Shell) -> SysctlState:
    """Read all keys and both files in one round trip."""
    argv = (
        "sh",
        "-c",
        _OBSERVE,
        "sysctl",
        *map(path_of, (*WANTED, *COUPLED)),
        "--",
        SYSCTL_FILE,
        UDEV_FILE,
    )
    text, *parts = ("\n" + shell.run(argv).stdout).split("\nFILE ")
    files = {}
    for part in parts:
        path, _, content = part.partition("\n")
        files[path] = content.strip("\n")
    lines = text.splitlines()
    folders = {line.removeprefix("FOLDER ") for line in lines if line.startswith("FOLDER ")}
    others = [line.removeprefix("SETS ") for line in lines if line.startswith("SETS ")]
    values = _values(lines)
    later = tuple(filter(None, map(undone_by, others)))
    along = declared(others, filter(is_coupled, values))
    return SysctlState(values, files, frozenset(folders), later, along)


def writes(plan: Plan) -> bool:
    """Tell whether a plan changes anything, be it the journal only."""
    settled = stored(plan.before) and plan.after.claims == plan.before.claims
    return bool(plan.changes or plan.folders) or not settled


def _apply(shell: Shell, plan: Plan, folder: str) -> None:
    journals_now = store(shell, plan.before, folder=folder)
    if plan.values:
        _write(shell, plan.values | plan.kept)
    for path, content in plan.files.items():
        if content is None:
            shell.remove(path)
        else:
            shell.run(("mkdir", "-p", path.rpartition("/")[0]))
            shell.write(path, content.encode())
    if plan.folders:
        shell.run(("rmdir", "--ignore-fail-on-non-empty", *plan.folders), check=False)
    if plan.after.claims != plan.before.claims:
        after = Journal(plan.after.claims, journals_now.digest)
        store(shell, after, folder=folder)


def _write(shell: Shell, values: dict[str, str]) -> None:
    """Write the values and read each back: a key can refuse one without an error."""
    words = [word for key, value in values.items() for word in (path_of(key), value)]
    done = shell.run(("sh", "-c", _WRITE, "sysctl", *words))
    now = _values(done.stdout.splitlines())
    for key, value in values.items():
        if now.get(key, value) != value:
            raise FarswitchError(
                f"Setting '{key}' on server '{shell.host}' was written as {value} and reads "
                f"{now[key]}. {done.stderr.strip()}".strip(),
                hint="Is the server a container without the right to set it?",
            )


def _values(lines: list[str]) -> dict[str, str]:
    """Return the settings of PATH=VALUE lines; the name of an interface may have a `=`."""
    pairs = (line.rpartition("=") for line in lines if not line.startswith(("SETS ", "FOLDER ")))
    found = {key_of(path): value.strip() for path, equal, value in pairs if equal}
    return {key: value for key, value in found.items() if key in WANTED or is_coupled(key)}
