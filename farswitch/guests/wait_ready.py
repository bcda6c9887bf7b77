"""Waiting for a guest in named steps: running, login, system, NICs; each within one deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.guests.boot import Boot
from farswitch.model.machines import Guest

T = TypeVar("T")
SYSTEM_STATES = {"running", "degraded"}
"""What `systemctl is-system-running --wait` ends with when the boot is over."""


class BootError(FarswitchError):
    """A guest did not come to a step of its boot; `console` has the last lines it wrote."""

    def __init__(self, guest: Guest, step: str, why: str, console: list[str]) -> None:
        lines = "".join(f"\n    {line}" for line in console)
        ends = f" Its console ends with:{lines}" if lines else " Its console is empty."
        super().__init__(
            f"Guest '{guest.name}' failed at step '{step}': {why}{ends}",
            hint=f"Look: virsh console {guest.domain} on server '{guest.hypervisor}'. "
            "Again: farswitch build repairs it; a disk that was in use is kept.",
        )
        self.guest = guest.name
        self.step = step
        self.why = why
        self.console = console


def wait_until_ready(task: Task, boot: Boot, answer: float | None = None) -> None:
    """Wait until the guest runs, answers as who it should be, and has its addresses on both NICs.

    The MTU is not waited for: the next task sets it where it is another one. `answer` is the
    seconds for the login where it should not take a whole boot.

    Raises:
        BootError: A step failed or did not come in time.
        HostKeyError: Somebody else answers.
    """
    limit = boot.guest.settings.boot_timeout
    deadline = Deadline(limit)
    first = Deadline(limit if answer is None else min(answer, limit))
    login = _step(boot, "ssh", lambda: _login(task, boot, first))
    _step(boot, "system", lambda: _system(login, deadline))
    _step(boot, "nics", lambda: _nics(login, boot.guest))


def _step(boot: Boot, name: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except HostKeyError:
        raise
    except FarswitchError as error:
        raise BootError(boot.guest, name, str(error), boot.console()) from error


def _login(task: Task, boot: Boot, deadline: Deadline) -> Shell:
    """Log in, not only connect: sshd may refuse for a while after it listens."""
    last = ""

    def attempt() -> Shell | None:
        nonlocal last
        state = boot.hypervisor.domain(boot.guest.domain)
        if state is None or state.state != "running":
            raise FarswitchError(_stopped(state))
        try:
            return shell(task)
        except HostKeyError:
            raise
        except ConnectionLostError as error:
            last = str(error)
            return None

    try:
        return wait_until(attempt, deadline, what="The ssh login")
    except FarswitchError as error:
        raise FarswitchError(f"{error} {last}".strip()) from error


def _stopped(state: DomainState | None) -> str:
    if state is None:
        return "Its domain is gone."
    if state.disk_failed:
        return "Its domain is paused by an error of its disk: is the hypervisor's disk full?"
    return f"Its domain is {state.state}."


def _system(login: Shell, deadline: Deadline) -> None:
    """Wait for the end of the boot, and of cloud-init where the image runs it."""
    script = (
        '[ ! -d /run/cloud-init ] || timeout "$1" cloud-init status --wait >/dev/null || exit 3; '
        'exec timeout "$1" systemctl is-system-running --wait'
    )
    seconds = str(int(deadline.remaining()) + 1)
    ended = login.run(
        ["sh", "-c", script, "sh", seconds], timeout=deadline.remaining() + 5, check=False
    )
    state = ended.stdout.strip()
    if ended.status == 3:  # noqa: PLR2004 - the script's own
        raise FarswitchError("cloud-init did not end well: see 'cloud-init status --long' there.")
    if state not in SYSTEM_STATES:
        raise FarswitchError(f"Its system is '{state or 'still starting'}', wanted 'running'.")


def _nics(login: Shell, guest: Guest) -> None:
    read = login.run(["sh", "-c", "hostname; ip -4 -o address show; ip -o link"])
    hostname, _, text = read.stdout.partition("\n")
    wanted = {
        f"hostname '{guest.name}'": hostname == guest.name,
        f"{guest.data_address} on data0": f"data0    inet {guest.data_address} " in text,
        f"{guest.management_address} on mgmt0": f"mgmt0    inet {guest.management_address} "
        in text,
        f"MAC {guest.data_mac}": guest.data_mac in text,
    }
    missing = [what for what, right in wanted.items() if not right]
    if missing:
        found = " | ".join(read.stdout.splitlines())
        raise FarswitchError(f"It lacks {', '.join(missing)}; it has: {found}")
