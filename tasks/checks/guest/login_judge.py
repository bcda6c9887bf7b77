"""What a domain's state and an answer at a guest's port mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.model.machines import Guest
from farswitch.pace import whole
from farswitch.proof.check import Check

RUNNING = "its domain is running"
LOGIN = "a login over management, answered by this guest"
SSH_SECONDS = 10
"""For a guest's ssh to show itself; an emulated one takes 0.1 s, a busy machine some seconds."""
SHOWN = 3
"""Lines of the console that a verdict quotes."""
_CAUSES = {
    "refused": "Its sshd does not run. A build restarts the guest and keeps its disk.",
    "silent": "Its sshd or the whole guest hangs. A build restarts it and keeps its disk.",
    "connect": "The guest hangs, or its mgmt0 or its port of the management bridge is down. A build"
    " sets the bridge right, and restarts a guest that still does not answer; its disk is kept.",
    "login": "Its sshd lets nobody in. A build restarts the guest with its keys; its disk is kept.",
}


@dataclass(frozen=True, slots=True)
class Dead:
    """Why a guest cannot be logged in to: the kind of failure, and what was seen."""

    kind: str
    said: str
    console: Sequence[str] = ()

    @property
    def text(self) -> str:
        """What a person reads, with the console's last lines."""
        if not self.console:
            return self.said
        return f"{self.said}; its console ends with: {' | '.join(self.console[-SHOWN:])}"


def judge_running(guest: Guest, state: str | None, rebuild: str, resume: str) -> Check:
    """Return the verdict on a domain's state; None where libvirt knows no such domain."""
    paused = state == "paused"
    cause = {
        None: "Somebody removed it, or it was never built.",
        "paused": "Somebody suspended it, or the file system of its disk is full.",
        "crashed": "Its QEMU ended: see the domain's log on the hypervisor.",
    }.get(state, "Somebody switched it off, it switched itself off, or its server was rebooted.")
    said = f"domain '{guest.domain}' is {state or 'not there'}"
    return Check(
        "guest.running",
        guest.name,
        ok=state == "running",
        measured=f"{said} on '{guest.hypervisor}'",
        expected=RUNNING,
        cause=cause,
        fix=resume if paused else rebuild,
    )


def judge_login(guest: Guest, found: str | Dead, rebuild: str) -> Check:
    """Return the verdict on a login: the hostname that the guest gave, or why there was none."""
    if isinstance(found, Dead):
        return Check(
            "guest.login", guest.name, ok=False, measured=found.text, expected=LOGIN,
            cause=_CAUSES[found.kind], fix=rebuild,
        )  # fmt: skip
    return Check(
        "guest.login", guest.name, ok=True, measured=f"logged in to '{found}'", expected=LOGIN
    )


def of_port(guest: Guest, answer: str) -> Dead | None:
    """Return what the hypervisor's look at a guest's port 22 means; None where ssh is there."""
    address = guest.management_address.ip
    kind, _, detail = answer.partition(": ")
    limit = whole(SSH_SECONDS)
    said = {
        "refused": f"{address} refuses connections to port 22",
        "silent": f"{address} takes a connection to port 22 and says nothing in {limit} s",
        "connect": f"{address} does not answer at port 22 ({detail or f'{limit} s'})",
    }.get(kind)
    return Dead(kind, said) if said else None
