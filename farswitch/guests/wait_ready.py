"""Waiting for a guest in named steps: running, login, system, NICs; each within one deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError, Shell
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.guests.console import tail
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.site.nornir_data import guest_of, hypervisor_of

T = TypeVar("T")
SYSTEM_STATES = {"running", "degraded"}
"""What `systemctl is-system-running --wait` ends with when the boot is over."""


class BootError(FarswitchError):
    """A guest did not come to a step of its boot; `console` has the last lines it wrote."""

    def __init__(self, guest: Guest, step: str, said: str, console: list[str]) -> None:
        lines = "".join(f"\n    {line}" for line in console)
        ends = f" Its console ends with:{lines}" if lines else " Its console is empty."
        super().__init__(
            f"Guest '{guest.name}' failed at step '{step}': {said}{ends}",
            hint=f"Look: virsh console {guest.domain} on server '{guest.hypervisor}'. "
            "Again: python -m workflows.build mends it; a disk that was in use is kept.",
        )
        self.guest = guest.name
        self.step = step
        self.said = said
        self.console = console


def wait_until_ready(
    task: Task, hypervisor: Hypervisor, cluster: Cluster, answer: float | None = None
) -> None:
    """Wait until the guest runs, answers as who it should be, and has its addresses on both NICs.

    The MTU is not waited for: the next task sets it where it is another one.

    Args:
        task: Runs on the guest.
        hypervisor: Where the guest runs.
        cluster: For the boot's deadline.
        answer: Seconds for the login where it should not take a whole boot.

    Raises:
        BootError: A step failed or did not come in time.
        HostKeyError: Somebody else answers.
    """
    guest = guest_of(task.host)
    deadline = Deadline(cluster.settings.boot_timeout)
    limit = cluster.settings.boot_timeout if answer is None else answer
    first = Deadline(min(limit, cluster.settings.boot_timeout))
    login = _step(task, "ssh", lambda: _login(task, hypervisor, guest, first))
    _step(task, "system", lambda: _system(login, deadline))
    _step(task, "nics", lambda: _nics(login, guest))


def _step(task: Task, name: str, work: Callable[[], T]) -> T:
    guest = guest_of(task.host)
    try:
        return work()
    except HostKeyError:
        raise
    except FarswitchError as error:
        raise BootError(guest, name, str(error), _console(task, guest)) from error


def _console(task: Task, guest: Guest) -> list[str]:
    """Return the console's end; the cause of a failed boot must not get lost with a login."""
    try:
        return tail(shell(hypervisor_of(task.host)), guest.domain)
    except FarswitchError as error:
        return [f"(not readable: {error})"]


def _login(task: Task, hypervisor: Hypervisor, guest: Guest, deadline: Deadline) -> Shell:
    """Log in, not only connect: sshd may refuse for a while after it listens."""
    last = ""

    def attempt() -> Shell | None:
        nonlocal last
        state = hypervisor.domain(guest.domain)
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
    hostname, *rest = read.stdout.splitlines()
    text = "\n".join(rest)
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
