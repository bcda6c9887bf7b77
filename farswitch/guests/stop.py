"""Switching a guest off: in order where it can be asked, else by its plug."""

from __future__ import annotations

from contextlib import suppress

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.libvirt.domains import Domains
from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.errors import FarswitchError
from farswitch.guests.wait_ready import forget_login
from farswitch.model.machines import Guest
from farswitch.pace import patient

ORDERLY_SECONDS = 60.0
"""For a guest's shutdown: an emulated one takes 3 s, ten times as long on a busy machine."""
ASK_SECONDS = 20.0
POWER_OFF = ("systemctl", "--no-block", "poweroff")


def stop(task: Task, hypervisor: Domains, guest: Guest) -> list[str]:
    """Switch a guest off that runs, and return a sentence where its plug was pulled.

    Raises:
        LibvirtError: libvirt refused.
    """
    deadline = Deadline(patient(ORDERLY_SECONDS))

    def is_off() -> bool:
        state = hypervisor.domain(guest.domain)
        return state is None or not state.active

    _ask(task, hypervisor, guest)
    try:
        wait_until(is_off, deadline, what=f"The shutdown of '{guest.name}'")
    except DeadlineError:
        hypervisor.destroy(guest.domain)
        within = f"within {deadline.seconds:.0f} s"
        return [f"Guest '{guest.name}' did not shut down {within}: its plug was pulled."]
    finally:
        forget_login(task)
    return []


def _ask(task: Task, hypervisor: Domains, guest: Guest) -> None:
    """Ask over ssh; a guest that does not answer has its power button pressed.

    Our own image has nobody who listens to that button: systemd-logind would cost each boot 0.3 s.
    """
    try:
        shell(task).run(POWER_OFF, timeout=ASK_SECONDS)
    except FarswitchError:
        with suppress(FarswitchError):  # it is paused, or ended meanwhile
            hypervisor.press_power_button(guest.domain)
