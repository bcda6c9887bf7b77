"""Waiting for a guest, and bringing back one that was ready once and does not answer any more."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from nornir.core.task import Task

from farswitch.connections.access import shell
from farswitch.connections.shell.protocol import HostKeyError
from farswitch.errors import FarswitchError
from farswitch.guests.boot import Boot
from farswitch.guests.boot_plan import Action, runs_on
from farswitch.guests.domain import Mark
from farswitch.guests.wait_ready import BootError, forget_login, wait_until_ready
from farswitch.pace import patient

ANSWER_SECONDS = 30.0
"""For the login to a guest that runs already: an emulated one takes 1 s, a busy machine ten. What
began before may still end well after."""
REBOOT_SECONDS = 40.0
"""For the login after an orderly reboot, which takes an emulated guest 10 s."""
SHOWN = 3
"""Lines of the console that are shown of a guest that was restarted."""


def bring_up(
    task: Task, boot: Boot, mark: Mark, actions: Sequence[Action]
) -> tuple[Mark, list[str]]:
    """Wait until the guest is ready, and restart one that ought to be and is not.

    Return its domain's mark now, and a sentence for each thing that was done to it after `actions`,
    those of this build so far.

    Raises:
        BootError: It does not get ready. Its disk is kept if it ever was.
    """
    ran = runs_on(actions)
    if not ran:
        forget_login(task)  # it may have been made early, to the boot before
    failed = _failure(task, boot, patient(ANSWER_SECONDS) if ran else None)
    if failed is None:
        return mark, []
    if mark.state == "new":
        raise failed
    done: list[str] = []
    if "restart" not in actions:
        name, why = boot.guest.name, _reason(failed)
        if ran and _silent(failed):
            failed = _reboot(task, boot)
            done.append(f"Guest '{name}' was asked to reboot. {why}")
            why = "That did not help."
        if failed is not None:
            write_out(task)
            mark = boot.restart(mark, boot.seed(renewed=True))
            failed = _failure(task, boot)
            done.append(f"Guest '{name}' was restarted, its keys written again. {why}")
    if failed is not None:
        boot.fail(mark)
        raise _given_up(boot, failed)
    return mark, done


def _failure(task: Task, boot: Boot, answer: float | None = None) -> FarswitchError | None:
    """Wait until the guest is ready; return why it is not."""
    try:
        wait_until_ready(task, boot, answer)
    except (BootError, HostKeyError) as error:
        return error
    return None


def _silent(failed: FarswitchError) -> bool:
    """Whether there was no login; else the guest can be asked."""
    return not isinstance(failed, BootError) or failed.step == "ssh"


def _reboot(task: Task, boot: Boot) -> FarswitchError | None:
    """Let the guest end in order, so that what it had not written yet is not lost."""
    with contextlib.suppress(FarswitchError):
        boot.hypervisor.ask_to_reboot(boot.guest.domain)
    return _failure(task, boot, patient(REBOOT_SECONDS))


def write_out(task: Task, *, ask: bool = False) -> None:
    """Let a guest that can be asked write its data, and forget the login to this boot.

    With `ask` a new login is made for it.
    """
    if ask or "shell" in task.host.connections:
        with contextlib.suppress(FarswitchError):
            shell(task).run(["sync"])
    forget_login(task)


def _reason(failed: FarswitchError) -> str:
    """Return why the guest was not left alone: a restart empties its console."""
    if not isinstance(failed, BootError):
        return str(failed)
    ends = f" Its console ended with: {' | '.join(failed.console[-SHOWN:])}"
    return f"{failed.why}{ends if failed.console else ''}"


def _given_up(boot: Boot, failed: FarswitchError) -> FarswitchError:
    """Name what is left to do where a restart with all keys and settings did not help."""
    guest = boot.guest
    failed.hint = (
        f"It was restarted with its keys and settings written again; its disk is kept. Look: "
        f"virsh console {guest.domain} on server '{guest.hypervisor}'. For a new disk instead of "
        f"this one, there: virsh destroy {guest.domain}; virsh undefine {guest.domain}. Then: "
        "farswitch build"
    )
    return failed
