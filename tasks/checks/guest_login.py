"""Does each guest run, and can it be logged in to? One that cannot is left alone from then on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nornir.core.task import Task

from connections.access import libvirt, shell
from connections.command import Shell
from connections.domains import DomainState
from inventory.model import Guest
from tasks.check import Check, skipped
from tasks.console import tail
from tasks.probe import Probe, Scene, each

RUNNING = "its domain is running"
LOGIN = "a login over management, answered by this guest"
SSH_SECONDS = 8
"""For a guest's ssh to show itself; under emulation it takes 0.1 s, a few when all are busy."""
HOSTNAME_SECONDS = 10.0
SHOWN = 3
"""Lines of the console that a verdict quotes."""
# Asked on the hypervisor, beside one another: a dead guest costs the run one deadline, not many.
_LOOK = """
import json, socket, sys, threading

seconds, addresses, said = float(sys.argv[1]), sys.argv[2:], {}

def look(address):
    said[address] = "connect"
    try:
        with socket.create_connection((address, 22), seconds) as one:
            said[address] = "silent"
            one.settimeout(seconds)
            if one.recv(4) == b"SSH-":
                said[address] = "ssh"
    except ConnectionRefusedError:
        said[address] = "refused"
    except TimeoutError:
        pass
    except OSError as error:
        if said[address] == "connect":
            said[address] = f"connect: {error.strerror}"

threads = [threading.Thread(target=look, args=(one,), daemon=True) for one in addresses]
for one in threads:
    one.start()
for one in threads:
    one.join(2 * seconds)
print(json.dumps(said))
"""
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
    """Return the verdict on a domain's state; None where libvirt knows no such domain.

    Args:
        guest: Whose domain.
        state: As libvirt calls it.
        rebuild: The command of a build.
        resume: The command that lets a paused domain go on.
    """
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
    said = {
        "refused": f"{address} refuses connections to port 22",
        "silent": f"{address} takes a connection to port 22 and says nothing in {SSH_SECONDS} s",
        "connect": f"{address} does not answer at port 22 ({detail or f'{SSH_SECONDS} s'})",
    }.get(kind)
    return Dead(kind, said) if said else None


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Judge all guests of one hypervisor."""
    guests = scene.cluster.guests_of(task.host.name)
    states = {state.name: state for state in libvirt(task).list_domains()}
    running = []
    for guest in guests:
        state = _state(states.get(guest.domain))
        resume = scene.command(task.host.name, ["virsh", "resume", guest.domain])
        yield judge_running(guest, state, scene.rebuild, resume)
        if state == "running":
            running.append(guest)
            continue
        why = f"its domain is {state or 'not there'}"
        scene.findings.lose(guest.name, why)
        yield skipped("guest.login", guest.name, why, LOGIN)
    found = _log_in(shell(task), scene, running)
    for guest in running:
        answer = found[guest.name]
        if isinstance(answer, Dead):
            scene.findings.lose(guest.name, answer.said)
        yield judge_login(guest, answer, scene.rebuild)


def _state(domain: DomainState | None) -> str | None:
    return domain.state if domain else None


def _log_in(server: Shell, scene: Scene, guests: Sequence[Guest]) -> dict[str, str | Dead]:
    """Look at the port of each guest, and log in where ssh shows itself."""
    addresses = {str(one.management_address.ip): one for one in guests}
    argv = ["python3", "-c", _LOOK, str(SSH_SECONDS), *addresses]
    said = json.loads(server.run(argv, timeout=3 * SSH_SECONDS + 5).stdout) if guests else {}
    found: dict[str, str | Dead] = {}
    for address, guest in addresses.items():
        found[guest.name] = of_port(guest, said.get(address, "connect")) or ""
    there = [name for name, dead in found.items() if not dead]

    def ask(name: str) -> str:
        ended = scene.shell(name).run(["hostname"], timeout=HOSTNAME_SECONDS)
        return ended.stdout.strip()

    for name, answer in each(there, ask).items():
        found[name] = answer if isinstance(answer, str) else Dead("login", str(answer))
    for guest in guests:
        seen = found[guest.name]
        if isinstance(seen, Dead):
            found[guest.name] = replace(seen, console=tail(server, guest.domain))
    return found


PROBE = Probe(
    "hypervisors",
    {
        "guest.running": "Each guest's domain runs.",
        "guest.login": "Each guest can be logged in to over management.",
    },
    run,
    rank=0,
)
