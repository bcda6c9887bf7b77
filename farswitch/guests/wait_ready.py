"""Waiting for a guest in named steps: running, login, system, NICs; each within one deadline."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.open_once import forget
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import (
    CommandTimeoutError,
    ConnectionLostError,
    HostKeyError,
)
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.guests.boot import Boot
from farswitch.model.machines import Guest
from farswitch.remote import shell_command

T = TypeVar("T")
CLOUD_INIT_FAILED = 3
"""The status of guest_booted.sh."""
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
    seconds for the login where it should not take a whole boot, and for each sign of life then: a
    login may have been made before the guest died.

    Raises:
        BootError: A step failed or did not come in time.
        HostKeyError: Somebody else answers.
    """
    limit = boot.guest.settings.boot_timeout
    deadline = Deadline(limit)
    first = Deadline(limit if answer is None else min(answer, limit))

    def booted() -> str:
        login = _step(boot, "ssh", lambda: _login(task, boot, first), first)
        return _step(boot, "system", lambda: _system(login, deadline, answer), deadline)

    try:
        found = booted()
    except BootError as error:
        lost = isinstance(error.__cause__, (ConnectionLostError, CommandTimeoutError))
        if error.step != "system" or not lost:
            raise
        forget_login(task)  # it led to the boot before, or the guest has died
        found = booted()
    _step(boot, "nics", lambda: _nics(found, boot.guest), deadline)


def forget_login(task: Task) -> None:
    """Forget the login to the boot before this one, also one that is just being made."""
    with suppress(FarswitchError):
        forget(task.host, "shell")


def _step(boot: Boot, name: str, work: Callable[[], T], deadline: Deadline) -> T:
    try:
        with boot.timed(name), deadline.awaited():
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


def _system(login: Shell, deadline: Deadline, answer: float | None) -> str:
    """Wait for the end of the boot, and of cloud-init where the image runs it.

    Return the guest's name, and its addresses and links as `ip -o` prints them.
    """
    state, found = "", ""
    while not state and not deadline.passed():
        left = min(deadline.remaining(), answer or deadline.remaining())
        script = shell_command("guest_booted", str(int(left) + 1))
        ended = login.run(script, timeout=2 * left + 5, check=False)
        if ended.status == CLOUD_INIT_FAILED:
            raise FarswitchError(
                "cloud-init did not end well: see 'cloud-init status --long' there."
            )
        state, _, found = ended.stdout.partition("\n")
    if state not in SYSTEM_STATES:
        raise FarswitchError(f"Its system is '{state or 'still starting'}', wanted 'running'.")
    return found


def _nics(found: str, guest: Guest) -> None:
    hostname, _, text = found.partition("\n")
    wanted = {
        f"hostname '{guest.name}'": hostname == guest.name,
        f"{guest.data_address} on data0": f"data0    inet {guest.data_address} " in text,
        f"{guest.management_address} on mgmt0": f"mgmt0    inet {guest.management_address} "
        in text,
        f"MAC {guest.data_mac}": guest.data_mac in text,
    }
    missing = [what for what, right in wanted.items() if not right]
    if missing:
        lines = " | ".join(found.splitlines())
        raise FarswitchError(f"It lacks {', '.join(missing)}; it has: {lines}")
